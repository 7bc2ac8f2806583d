//! The cursors in Redis: a key for each.

use super::{Redis, StoreError};

/// Replaces a text that is the expected one, or that is missing if none is expected.
const REPLACE: &str = "
    if redis.call('GET', KEYS[1]) ~= (ARGV[2] or false) then
        return 0
    end
    redis.call('SET', KEYS[1], ARGV[1])
    return 1";

fn key(reader: &str) -> String {
    format!("suntap:cursor:{reader}")
}

impl Redis {
    pub(in crate::store) async fn cursor(&self, reader: &str) -> Result<Option<String>, StoreError> {
        let mut command = redis::cmd("GET");
        command.arg(key(reader));
        self.run(&command).await
    }

    pub(in crate::store) async fn replace_cursor(
        &self,
        reader: &str,
        seen: Option<&str>,
        text: &str,
    ) -> Result<bool, StoreError> {
        let mut command = redis::cmd("EVAL");
        command.arg(REPLACE).arg(1).arg(key(reader)).arg(text).arg(seen);
        Ok(self.run::<u64>(&command).await? == 1)
    }
}
