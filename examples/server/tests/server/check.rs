//! What `import` and `check` report about tags that cannot be verified.

use serde_json::{Value, json};
use suntap_server::import::{Allowed, Report, import};
use suntap_server::store::{Change, Store};

use crate::counters::{Apis, KEY, etrnl_body, etrnl_tag};
use crate::import::{changed, import_into, open};
use crate::tags::{self, Folder};

const SAME: &str = "give genuine and forged taps the same answer";
const EMPTY: &str = "give every tap an empty answer";

/// The exit code and standard output of a command.
fn run(folder: &Folder, args: &[&str]) -> (Option<i32>, String) {
    let output = folder.run(args);
    (output.status.code(), String::from_utf8(output.stdout).unwrap())
}

fn import_lines(folder: &Folder, flags: &[&str], lines: &[Value]) -> (Option<i32>, String) {
    let path = folder.path("lines.ndjson");
    tags::write(&path, lines);
    run(folder, &[&["import", path.to_str().unwrap()], flags].concat())
}

/// The lines of `levels()`, with a tag group without rules beside the other.
fn levels() -> Vec<Value> {
    let mut lines = tags::levels();
    lines.extend([
        json!({ "tagGroup": { "organisation": 1, "path": "F/Bare", "layout": { "template": tags::LAYOUT } } }),
        json!({ "batch": { "organisation": 1, "path": "F/Bare/B" } }),
        json!({ "tagGroup": { "organisation": 1, "path": "F/Standard" } }),
        json!({ "batch": { "organisation": 1, "path": "F/Standard/B" } }),
        // Nobody is in it, or only a tag of ETRNL: no rules are needed.
        json!({ "tagGroup": { "organisation": 1, "path": "F/Empty" } }),
        json!({ "batch": { "organisation": 1, "path": "F/Empty/B" } }),
    ]);
    lines
}

#[test]
fn check_lists_what_cannot_be_verified() {
    let folder = Folder::new();
    let (_, mut etrnl) = etrnl_tag(7001);
    etrnl["tag"]["batch"] = "F/Empty/B".into();
    let good = [&*levels(), &[tags::line(1), etrnl]].concat();
    assert_eq!(import_lines(&folder, &[], &good), (Some(0), "2 tags imported, and 10 other lines\n".into()));
    assert_eq!(run(&folder, &["check"]), (Some(0), "0 findings\n".into()));
    assert_eq!(run(&folder, &["check", "--json"]), (Some(0), String::new()));

    assert_eq!(import_lines(&folder, &[], &[changed(2, json!({ "keys": null }))]).0, Some(0));
    let keys = "xuid/tag00002: the keys are not loaded";
    assert_eq!(run(&folder, &["check"]), (Some(1), format!("{keys}\n1 finding\n")));
    let more = [
        json!({ "tag": { "organisation": 1, "number": 7002 } }),
        changed(3, json!({ "batch": "F/Bare/B" })),
        changed(4, json!({ "batch": "F/Bare/B", "keys": null })),
        // A rule set of its own makes up for that of the group.
        changed(
            5,
            json!({ "batch": "F/Bare/B", "rules": { "groups": [{ "rules": ["authentication"], "response": "Pass" }],
            "default": "" } }),
        ),
        changed(6, json!({ "batch": "F/Standard/B", "keys": null })),
        changed(7, json!({ "batch": null, "keys": null })),
    ];
    assert_eq!(import_lines(&folder, &["--allow-no-rules"], &more).0, Some(0));
    let expected = [
        ("level/1/F/Bare", "the tag group has no rules".into()),
        ("level/1/F/Standard", "the tag group has no rules".into()),
        ("number/7002", "the tag has no layout yet, so it answers `inactive`".into()),
        ("xuid/tag00002", "the keys are not loaded".into()),
        ("xuid/tag00003", format!("the rules of its tag group F/Bare {SAME}")),
        ("xuid/tag00004", "the keys are not loaded".into()),
        ("xuid/tag00004", format!("the rules of its tag group F/Bare {SAME}")),
        ("xuid/tag00006", format!("the rules of its tag group F/Standard {EMPTY}")),
        ("xuid/tag00007", format!("its rules {EMPTY}")),
    ];
    let lines: Vec<_> = expected.iter().map(|(key, reason)| format!("{key}: {reason}")).collect();
    assert_eq!(run(&folder, &["check"]), (Some(1), lines.join("\n") + "\n9 findings\n"));
    let (code, json) = run(&folder, &["check", "--json"]);
    let objects: Vec<Value> = json.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(code, Some(1));
    assert_eq!(objects, expected.map(|(key, reason)| json!({ "key": key, "reason": reason })));
}

/// Returns what `check` says about a store with one tag, after these writes.
fn check_after(writes: impl AsyncFnOnce(&Store) -> Vec<(String, Option<String>)>) -> (Option<i32>, String) {
    let folder = Folder::new();
    assert_eq!(import_lines(&folder, &[], &[tags::levels(), vec![tags::line(1)]].concat()).0, Some(0));
    tokio::runtime::Runtime::new().unwrap().block_on(async {
        let store = open(&folder).await;
        let writes = writes(&store).await;
        store.change(&Change { writes, ..Change::default() }).await.unwrap();
        store.close().await;
    });
    run(&folder, &["check"])
}

/// A layout without a counter cannot be imported, but an older database or another program may have written one.
#[test]
fn check_finds_a_layout_without_a_counter() {
    let (code, said) = check_after(async |store| {
        let key = "xuid/tag00001".to_owned();
        let text = store.read(std::slice::from_ref(&key), None).await.unwrap().documents.pop().unwrap().unwrap();
        let mut tag: Value = serde_json::from_str(&text).unwrap();
        tag["tag"]["layout"] = json!({ "template": "https://t.example/tap?x={:xuid}&u={uid}&e={mac}" });
        vec![(key, Some(tag.to_string()))]
    });
    assert!(code == Some(1) && said.starts_with("xuid/tag00001: the layout mirrors no counter"), "{said}");
}

/// Somebody removed it from the database.
#[test]
fn check_finds_a_missing_level() {
    let (code, said) = check_after(async |_| vec![("level/1/F/G".to_owned(), None)]);
    assert!(code == Some(1) && said.starts_with("level/1/F/G: the document is missing"), "{said}");
}

#[tokio::test]
async fn a_group_without_rules_is_told() {
    let folder = Folder::new();
    let store = open(&folder).await;
    let import = async |lines: &[Value], no_rules| {
        let allowed = Allowed { no_rules, ..Allowed::default() };
        import(&store, tags::secrets(), &tags::text(lines), allowed, |_| ()).await
    };
    import(&levels(), false).await.unwrap();
    let standard = |number| changed(number, json!({ "batch": "F/Standard/B", "keys": null }));
    // A standard tag proves nothing, so it is only warned of, once for the group.
    let warnings = vec![format!("the rules of its tag group F/Standard {EMPTY}")];
    let report = import(&[standard(1), standard(2)], false).await.unwrap();
    assert_eq!(report, Report { tags: 2, warnings, ..Report::default() });
    let authentic = changed(3, json!({ "batch": "F/Bare/B" }));
    let refused = format!("line 1: the rules of its tag group F/Bare {SAME} (--allow-no-rules accepts it)");
    for line in [authentic.clone(), changed(4, json!({ "batch": "F/Bare/B", "keys": null }))] {
        let error = import(&[line], false).await.unwrap_err().to_string();
        assert!(error.starts_with(&refused), "{error}");
    }
    let warnings = vec![format!("the rules of its tag group F/Bare {SAME}")];
    let report = import(&[authentic], true).await.unwrap();
    assert_eq!(report, Report { tags: 1, warnings, ..Report::default() });
    let bare = json!({ "tagGroup": { "organisation": 1, "path": "F/Bare", "layout": { "template": tags::LAYOUT },
        "rules": { "default": "" } } });
    // A change of the group looks at the tags that are in it.
    let error = import(std::slice::from_ref(&bare), false).await.unwrap_err().to_string();
    assert!(error.contains("xuid/tag00003: the rules of its tag group F/Bare"), "{error}");
    import(&[bare], true).await.unwrap();
    let error = import(&[changed(4, json!({ "batch": "F/Bare/B" }))], false).await.unwrap_err().to_string();
    assert!(error.starts_with(&refused), "an empty rule set is none: {error}");
}

/// A tag of ETRNL may be imported before it is programmed.
#[test]
fn a_tag_without_layout_waits() {
    let folder = Folder::new();
    let mut lines = tags::levels();
    lines.push(json!({ "apiKey": { "organisation": 1, "key": KEY, "kind": "private" } }));
    lines.extend((7001..7013).map(|number| json!({ "tag": { "organisation": 1, "number": number } })));
    let (code, said) = import_lines(&folder, &[], &lines);
    let first: Vec<_> = (7001..7011).map(|number| format!("  number/{number}\n")).collect();
    let expected = "12 tags imported, and 5 other lines\n\
                    12 of the tags have no keys or no layout yet, and none of their taps passes:\n";
    assert_eq!((code, said), (Some(0), expected.to_owned() + &first.concat()));
    let (code, said) = run(&folder, &["check"]);
    assert_eq!((code, said.lines().count()), (Some(1), 13));
    assert!(said.contains("number/7012: the tag has no layout yet, so it answers `inactive`\n"), "{said}");

    tokio::runtime::Runtime::new().unwrap().block_on(async {
        let store = open(&folder).await;
        let apis = Apis::new(&store);
        let (mut tag, line) = etrnl_tag(7001);
        let answer = apis.etrnl(KEY, &etrnl_body(&tag.tap().unwrap())).await;
        assert_eq!((&answer["err"], &answer["exists"]), (&"inactive".into(), &true.into()), "{answer}");
        // Its layout and keys come later.
        apis.import(&[line]).await;
        assert_eq!(apis.etrnl(KEY, &etrnl_body(&tag.tap().unwrap())).await["authentic"], true);
    });
}

/// Rules that never make a difference between a genuine tap and a forged one.
#[tokio::test]
async fn rules_that_ignore_authentication_are_refused() {
    let folder = Folder::new();
    let store = open(&folder).await;
    let rules = |rules: Value| {
        let mut lines = tags::levels();
        lines[2]["tagGroup"]["rules"] = rules;
        lines.push(tags::line(1));
        lines
    };
    let import = async |lines: &[Value]| import_into(&store, lines).await;
    let group = |rule: &str, response: &str| json!([{ "rules": [rule], "response": response }]);
    for wrong in [
        json!({ "default": "Hi" }),
        json!({ "groups": group("authentication", ""), "default": "" }),
        json!({ "groups": group("authentication", "{tagcodedr}"), "default": "" }),
        json!({ "groups": group("scan count > 0", "Pass"), "default": "Fail" }),
    ] {
        let error = import(&rules(wrong.clone())).await.unwrap_err().to_string();
        assert!(error.contains(SAME), "{wrong}: {error}");
    }
    import(&rules(json!({ "groups": group("authentication", "Pass"), "default": "" }))).await.unwrap();
}

/// A tag group may lose its layout while tags with keys are in it.
#[tokio::test]
async fn a_group_keeps_its_layout_while_tags_need_it() {
    let folder = Folder::new();
    let store = open(&folder).await;
    let import = async |lines: &[Value]| import_into(&store, lines).await;
    import(&[tags::levels(), vec![tags::line(1)]].concat()).await.unwrap();
    let mut group = tags::levels()[2].clone();
    group["tagGroup"]["layout"] = Value::Null;
    let error = import(&[group]).await.unwrap_err().to_string();
    assert_eq!(error, "line 1: xuid/tag00001: the tag has keys and no layout\nnothing was imported");
}

/// A path that was mistyped is not a new store.
#[test]
fn check_needs_a_store() {
    let folder = Folder::new();
    assert_eq!(run(&folder, &["check"]).0, Some(1));
    assert!(!folder.path("data.redb").exists());
}
