//! The OpenAPI document describes the routes.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::{Live, lines};

#[test]
fn the_document_and_the_routes_are_the_same() {
    let live = Live::new(&lines(1));
    let (status, document) = live.ask("GET", "/admin/v1/openapi.json", &Value::Null);
    assert_eq!(status, 200);
    assert!(document["openapi"].as_str().unwrap().starts_with("3."));
    let scheme = &document["components"]["securitySchemes"]["managementKey"];
    assert_eq!((&scheme["type"], &scheme["scheme"]), (&json!("http"), &json!("bearer")));
    assert_eq!(document["security"], json!([{ "managementKey": [] }]));
    let mut described = BTreeSet::new();
    for (path, item) in document["paths"].as_object().unwrap() {
        for method in item.as_object().unwrap().keys() {
            described.insert(format!("{} {path}", method.to_uppercase()));
            let operation = &item[method];
            for status in ["400", "401", "403", "404", "409", "413", "415", "429", "503"] {
                assert!(operation["responses"][status]["content"].is_object(), "{method} {path} {status}");
            }
            assert!(operation["summary"].is_string(), "{method} {path}");
        }
    }
    // Each described route exists: it does not get the answer for an unknown path or method.
    for route in &described {
        let (method, path) = route.split_once(' ').unwrap();
        let path = path.replace("{kind}", "xuid").replace("{id}", "0").replace("{organisation}", "0");
        let path: String =
            path.split('/').map(|part| if part.starts_with('{') { "none" } else { part }).collect::<Vec<_>>().join("/");
        let vendor = format!("X-API-Key: {0}\r\nAuthorization: Bearer {0}\r\n", live.writer);
        let reply = live.send(method, &path, &vendor, b"");
        assert!(reply.status != 405 && !reply.body.contains("the path is unknown"), "{route}: {reply:?}");
    }
    // Each route is described: all of them are added with `routes!`, which also describes them.
    for file in std::fs::read_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/src/http/admin")).unwrap() {
        let path = file.unwrap().path();
        // The operator's page is no part of the API.
        if path.is_file() && !path.ends_with("page.rs") {
            let text = std::fs::read_to_string(path).unwrap();
            assert!(!text.contains(".route("), "use `routes!`");
        }
    }
    let main = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/src/http/admin.rs")).unwrap();
    assert!(!main.contains(".route("), "use `routes!`");
    let handlers = main.matches("routes!(").count();
    assert!(described.len() >= handlers, "{handlers}");
    for reference in document.to_string().split("#/components/schemas/").skip(1) {
        let name = reference.split('"').next().unwrap();
        assert!(document["components"]["schemas"][name].is_object(), "{name}");
    }
}
