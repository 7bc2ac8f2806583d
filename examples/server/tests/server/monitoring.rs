//! The metrics, and the examples that read them: the dashboard for Grafana and the alert rules for Prometheus.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::process::Command;

use serde_json::Value;
use suntap_server::import::{Allowed, import};
use suntap_server::store::{Options, Store};
use yaml_rust2::{Yaml, YamlLoader};

use crate::backends;
use crate::client::{Client, Server, get};
use crate::tags::{self, Folder};
use crate::webhooks::receiver::SECRET;

const DASHBOARD: &str = include_str!("../../packaging/grafana-dashboard.json");
const ALERTS: &str = include_str!("../../packaging/prometheus-alerts.yaml");
const ALERTS_PATH: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/packaging/prometheus-alerts.yaml");

/// The samples of a server after a tap, a replay and a request with an invalid key.
fn metrics(store: &str, folder: &Folder) -> String {
    tokio::runtime::Runtime::new().unwrap().block_on(async {
        let store = Store::create(&store.parse().unwrap(), Options::default()).await.unwrap();
        let lines = tags::text(&[tags::levels(), vec![tags::line(1)]].concat());
        import(&store, tags::secrets(), &lines, Allowed::default(), |_| ()).await.unwrap();
        store.close().await;
    });
    let config = folder.path("suntap.toml");
    std::fs::write(&config, "[webhooks.shop]\nurl = \"http://127.0.0.1:9/\"\n").unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_suntap-server"));
    command.args(["serve", "--listen", "127.0.0.1:0", "--store", store]).arg("--config").arg(config);
    command.arg("--secrets-file").arg(folder.secrets()).env("SUNTAP_WEBHOOK_SECRET_SHOP", SECRET);
    let server = Server::spawn(command);
    let target = tags::target(&tags::tag(1).tap().unwrap());
    assert!(get(&server.address, &target).body.contains("Pass"));
    assert!(!get(&server.address, &target).body.contains("Pass"));
    let mut client = Client::new(&server.address).unwrap();
    let refused = client.post("/v1/tags/verify-authenticity", "API-Key: invalid-key\r\n", b"{}").unwrap();
    assert_eq!(refused.status, 401);
    get(&server.address, "/metrics").body
}

/// The value of a sample.
pub(crate) fn value(metrics: &str, sample: &str) -> f64 {
    let line = metrics.lines().find_map(|line| line.strip_prefix(sample)?.strip_prefix(' '));
    line.unwrap_or_else(|| panic!("{sample} in {metrics}")).parse().unwrap()
}

/// The names of the samples, each with the names of its labels.
fn exported(metrics: &str) -> BTreeMap<String, BTreeSet<String>> {
    let mut names = BTreeMap::<String, BTreeSet<String>>::new();
    for line in metrics.lines().filter(|line| !line.starts_with('#')) {
        let (name, labels) = line.split_once(['{', ' ']).unwrap();
        let labels = labels.split_once('}').map_or("", |(labels, _)| labels);
        let labels = labels.split(',').filter_map(|label| Some(label.split_once('=')?.0.to_owned()));
        names.entry(name.into()).or_default().extend(labels);
    }
    names
}

/// The metrics of this server in a query, each with the labels by which it is filtered.
fn queried(query: &str) -> Vec<(String, Vec<String>)> {
    query
        .match_indices("suntap_")
        .map(|(start, _)| {
            let rest = &query[start..];
            let end = rest.find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap_or(rest.len());
            let (name, rest) = rest.split_at(end);
            let filter = rest.strip_prefix('{').and_then(|rest| rest.split_once('}')).map_or("", |(filter, _)| filter);
            let labels = filter.split(',').filter_map(|label| Some(label.split_once('=')?.0.trim().to_owned()));
            (name.to_owned(), labels.collect())
        })
        .collect()
}

/// All queries of the dashboard.
fn queries(value: &Value, found: &mut Vec<String>) {
    match value {
        Value::Object(fields) => fields.iter().for_each(|(name, value)| match value {
            Value::String(text) if matches!(&**name, "expr" | "query") => found.push(text.clone()),
            value => queries(value, found),
        }),
        Value::Array(values) => values.iter().for_each(|value| queries(value, found)),
        _ => {}
    }
}

#[test]
fn the_examples_use_metrics_that_the_server_exports() {
    let folder = Folder::new();
    let embedded = metrics(folder.path("data.redb").to_str().unwrap(), &folder);
    let mut names = exported(&embedded);
    let postgres = backends::postgres().map(|backend| metrics(&backend.url, &folder));
    if let Some(metrics) = &postgres {
        names.extend(exported(metrics));
    }

    let mut all = Vec::new();
    queries(&serde_json::from_str(DASHBOARD).unwrap(), &mut all);
    assert!(all.len() > 15, "{all:?}");
    let rules = YamlLoader::load_from_str(ALERTS).unwrap();
    let rules = rules[0]["groups"][0]["rules"].as_vec().unwrap();
    for rule in rules {
        let text = |value: &Yaml| value.as_str().unwrap_or_else(|| panic!("{rule:?}")).to_owned();
        assert!(text(&rule["alert"]).starts_with("Suntap") && !text(&rule["annotations"]["summary"]).is_empty());
        assert!(matches!(&*text(&rule["labels"]["severity"]), "critical" | "warning" | "info"), "{rule:?}");
        all.push(text(&rule["expr"]));
    }
    assert!(rules.len() > 8);
    for query in &all {
        for (name, labels) in queried(query) {
            if postgres.is_none() && name.starts_with("suntap_pool_") {
                continue;
            }
            let known = names.get(&name).unwrap_or_else(|| panic!("{name} is not exported: {query}"));
            // Prometheus adds these.
            let is_known = |label: &String| known.contains(label) || matches!(&**label, "job" | "instance");
            assert!(labels.iter().all(is_known), "{labels:?} in {query}");
        }
    }
    // Nothing that is exported is forgotten, apart from what has no use in a graph.
    let text = [DASHBOARD, ALERTS].concat();
    let unused = |name: &&String| !text.contains(&***name) && !name.ends_with("_sum") && !name.ends_with("_bucket");
    let unused: Vec<_> = names.keys().filter(unused).collect();
    let expected = ["suntap_history_removed_total", "suntap_reloads_total", "suntap_tap_seconds_count"];
    assert!(unused.iter().all(|name| expected.contains(&&***name)), "{unused:?}");
}

#[test]
fn the_alert_rules_are_valid() {
    match Command::new("promtool").args(["check", "rules"]).arg(Path::new(ALERTS_PATH)).output() {
        Ok(output) => assert!(output.status.success(), "{output:?}"),
        // Few have it, and the other test parses the file.
        Err(error) => eprintln!("promtool is not installed, so the queries are not checked: {error}"),
    }
}

#[test]
fn the_store_is_measured() {
    let folder = Folder::new();
    let embedded = metrics(folder.path("data.redb").to_str().unwrap(), &folder);
    let calls = |metrics: &str, store: &str, operation: &str| {
        value(metrics, &format!("suntap_store_seconds_count{{store=\"{store}\",operation=\"{operation}\"}}"))
    };
    assert!(calls(&embedded, "redb", "read") > 0.0);
    assert!((calls(&embedded, "redb", "advance") - 2.0).abs() < 0.1);
    assert!((value(&embedded, "suntap_queue_group_taps_sum") - 2.0).abs() < 0.1);
    assert!(value(&embedded, "suntap_queue_waiting") < 0.1);
    assert!(!embedded.contains("suntap_pool_"));

    let Some(backend) = backends::postgres() else { return };
    let postgres = metrics(&backend.url, &folder);
    assert!((calls(&postgres, "postgres", "advance") - 2.0).abs() < 0.1);
    assert!((value(&postgres, "suntap_pool_limit") - 16.0).abs() < 0.1);
    assert!(value(&postgres, "suntap_pool_size") > 0.0);
    assert!(!postgres.contains("suntap_queue_"));
}
