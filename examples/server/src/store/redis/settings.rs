//! The settings of Redis that decide whether it keeps counters.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;
use std::time::Duration;

use redis::cluster_async::ClusterConnection;
use redis::cluster_routing::{MultipleNodeRoutingInfo, RoutingInfo};
use redis::{Cmd, FromRedisValue, RedisError};
use tokio::sync::watch;
use tokio::task::JoinSet;

use super::{Connection, StoreError, value};

/// The last known settings. A task reads them at each interval.
pub(super) struct Settings {
    state: Arc<watch::Sender<State>>,
    /// Stopped when this is dropped.
    _task: JoinSet<()>,
}

/// The meaning of the settings.
#[derive(Clone, Default, PartialEq, Eq)]
pub(super) struct State {
    /// Redis removes keys when its memory is full.
    pub(super) evicts: bool,
    pub(super) warnings: BTreeSet<String>,
}

impl Settings {
    /// Reads the settings now, and then at each interval.
    pub(super) async fn watch(connection: &Connection, interval: Duration) -> Result<Self, StoreError> {
        let state = Arc::new(watch::Sender::new(state(connection).await?));
        let mut task = JoinSet::new();
        let (connection, current) = (connection.clone(), Arc::clone(&state));
        task.spawn(async move {
            loop {
                tokio::time::sleep(interval).await;
                // If Redis cannot be reached, the last known settings are kept.
                let _ = update(&connection, &current).await;
            }
        });
        Ok(Self { state, _task: task })
    }

    /// Reads the settings now.
    pub(super) async fn update(&self, connection: &Connection) -> Result<(), StoreError> {
        update(connection, &self.state).await?;
        self.check()
    }

    /// Returns an error if Redis may evict counters, as far as is known.
    pub(super) fn check(&self) -> Result<(), StoreError> {
        if self.state.borrow().evicts {
            return Err(StoreError::Unfit("it may evict counters: set maxmemory-policy noeviction".into()));
        }
        Ok(())
    }

    pub(super) fn warnings(&self) -> Vec<String> {
        self.state.borrow().warnings.iter().cloned().collect()
    }
}

/// Reads the settings, and logs what has changed.
async fn update(connection: &Connection, current: &watch::Sender<State>) -> Result<(), StoreError> {
    let new = state(connection).await?;
    current.send_if_modified(|current| {
        if current.evicts != new.evicts {
            if new.evicts {
                tracing::error!("Redis may evict counters now: no tap passes until maxmemory-policy is noeviction");
            } else {
                tracing::warn!("Redis no longer evicts keys");
            }
        }
        for warning in new.warnings.difference(&current.warnings) {
            tracing::warn!("{warning}");
        }
        let changed = *current != new;
        *current = new;
        changed
    });
    Ok(())
}

async fn state(connection: &Connection) -> Result<State, StoreError> {
    let infos: Vec<String> = each_node(connection, &redis::cmd("INFO")).await.map_err(StoreError::Redis)?;
    let mut config = redis::cmd("CONFIG");
    config.arg("GET").arg("appendfsync");
    let configs: Option<Vec<HashMap<String, String>>> = match each_node(connection, &config).await {
        Ok(configs) => Some(configs),
        Err(error) if error.is_io_error() || error.is_timeout() => return Err(StoreError::Redis(error)),
        // A hosted Redis may not allow this command.
        Err(_) => None,
    };
    let (mut state, mut all_append) = (State::default(), true);
    for info in &infos {
        let is_limited = line(info, "maxmemory").is_some_and(|limit| limit != "0");
        state.evicts |= is_limited && line(info, "maxmemory_policy") != Some("noeviction");
        if line(info, "evicted_keys").is_some_and(|keys| keys != "0") {
            state.warn(
                "Redis has evicted keys since it was started: if some were counters, their last taps pass once more",
            );
        }
        if line(info, "aof_enabled") != Some("1") {
            all_append = false;
            state.warn(
                "Redis keeps no append-only file: after a restart, the taps since its last snapshot pass once more. \
                 Set appendonly yes and appendfsync always",
            );
        }
    }
    if !all_append {
        return Ok(state);
    }
    let Some(configs) = configs else {
        state.warn(
            "appendfsync could not be checked, because Redis refuses CONFIG GET: unless it is `always`, the last taps before \
             a crash pass once more",
        );
        return Ok(state);
    };
    for policy in configs.iter().filter_map(|config| config.get("appendfsync")).filter(|policy| *policy != "always") {
        state.warn(&format!(
            "Redis has appendfsync {policy}: after a crash of its machine, the last taps pass once more. Set appendfsync always"
        ));
    }
    Ok(state)
}

impl State {
    fn warn(&mut self, text: &str) {
        self.warnings.insert(text.into());
    }
}

/// Returns the answer of the one Redis, or of each master of a cluster.
async fn each_node<T: FromRedisValue>(connection: &Connection, command: &Cmd) -> Result<Vec<T>, RedisError> {
    match connection.clone() {
        Connection::One(mut one, _) => Ok(vec![command.query_async(&mut one).await?]),
        Connection::Cluster(mut cluster) => Ok(masters(&mut cluster, command).await?.into_values().collect()),
    }
}

/// Returns the answer of each master of a cluster, by its address.
pub(super) async fn masters<T: FromRedisValue>(
    cluster: &mut ClusterConnection,
    command: &Cmd,
) -> Result<HashMap<String, T>, RedisError> {
    let every = RoutingInfo::MultiNode((MultipleNodeRoutingInfo::AllMasters, None));
    value(cluster.route_command(command.clone(), every).await?)
}

/// Returns a value from the text of `INFO`.
pub(super) fn line<'a>(info: &'a str, name: &str) -> Option<&'a str> {
    info.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'))
}
