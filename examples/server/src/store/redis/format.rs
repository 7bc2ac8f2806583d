//! The format number of Redis.

use super::Redis;
use crate::store::format::{FORMAT, PROGRAM, Stored, migrated, pending};
use crate::store::{Place, StoreError};

/// A hash with the number, and the version of the program that wrote it. All versions of the program can read it.
const KEY: &str = "suntap:format";
/// A text that identifies the backup from which Redis is being filled.
const FILLING: &str = "suntap:filling";

/// Writes the number, unless another program has written a greater one.
const WRITE: &str = "
    if tonumber(redis.call('HGET', KEYS[1], 'format') or '0') > tonumber(ARGV[1]) then
        return 0
    end
    redis.call('HSET', KEYS[1], 'format', ARGV[1], 'program', ARGV[2])
    return 1";

/// A change of the keys. It is not atomic, and two servers may run it at once: it must be possible to run it again.
#[derive(Clone, Copy)]
enum Migration {
    /// Adds the number itself.
    To1,
}

const MIGRATIONS: &[Migration] = &[Migration::To1];

impl Redis {
    /// Migrates Redis to the present format. A Redis without documents is left as it is, unless it `is_new`.
    pub(super) async fn migrate(&mut self, is_new: bool) -> Result<(), StoreError> {
        if self.filling().await?.is_some() {
            return Err(StoreError::Unfit("a restore into it was interrupted: run the same restore again".into()));
        }
        let stored = self.stored().await?;
        let has_number = stored.is_some();
        let stored = stored.unwrap_or_default();
        let pending = pending(MIGRATIONS, &stored)?;
        if pending.is_empty() {
            return Ok(());
        }
        let is_empty = !has_number && self.is_empty(&[]).await?;
        if is_empty && !is_new {
            return Ok(());
        }
        for migration in pending {
            self.run_migration(*migration);
        }
        self.write_format().await?;
        if !is_empty {
            self.warnings.push(migrated(&stored));
        }
        Ok(())
    }

    #[allow(clippy::unused_self, reason = "the next migration needs it")]
    fn run_migration(&self, migration: Migration) {
        match migration {
            Migration::To1 => {}
        }
    }

    /// Writes the present format number.
    pub(super) async fn write_format(&self) -> Result<(), StoreError> {
        let mut command = redis::cmd("EVAL");
        command.arg(WRITE).arg(1).arg(KEY).arg(FORMAT).arg(PROGRAM);
        if self.run::<u8>(&command).await? == 1 { Ok(()) } else { Err(StoreError::Contended) }
    }

    pub(super) async fn stored(&self) -> Result<Option<Stored>, StoreError> {
        let mut command = redis::cmd("HMGET");
        command.arg(KEY).arg("format").arg("program");
        let (number, program): (Option<String>, Option<String>) = self.run(&command).await?;
        // A number that no version of the program writes is read as the greatest one, which is refused.
        let number = number.map(|number| number.parse().unwrap_or(u32::MAX));
        Ok(number.map(|number| Stored { number, program: program.unwrap_or_default() }))
    }

    /// Returns `true` if there is no document other than those in `replaceable`.
    pub(super) async fn is_empty(&self, replaceable: &[&str]) -> Result<bool, StoreError> {
        let mut place = Place::Start;
        while place != Place::End {
            let (documents, next) = self.list("", place, 1000).await?;
            if documents.iter().any(|(key, _)| !replaceable.contains(&&**key)) {
                return Ok(false);
            }
            place = next;
        }
        Ok(true)
    }

    /// Returns the text of the backup from which Redis was being filled when that was interrupted.
    pub(super) async fn filling(&self) -> Result<Option<String>, StoreError> {
        let mut command = redis::cmd("GET");
        self.run(command.arg(FILLING)).await
    }

    /// Writes or removes this text.
    pub(super) async fn set_filling(&self, text: Option<&str>) -> Result<(), StoreError> {
        let mut command = redis::cmd(if text.is_some() { "SET" } else { "DEL" });
        self.run(command.arg(FILLING).arg(text)).await
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_last_migration_leads_to_the_present_format() {
        assert_eq!(u32::try_from(super::MIGRATIONS.len()), Ok(super::FORMAT));
    }
}
