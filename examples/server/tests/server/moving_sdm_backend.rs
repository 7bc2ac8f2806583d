//! Moving from sdm-backend.

use suntap::emulator::EmulatedTag;
use suntap::kdf::sdm_backend::Master;
use suntap::{Scheme, SdmLayout, TagTexts, Uid};

use crate::client::get;
use crate::moving::{assert_counter, changed, refused, sample, serve, tap};
use crate::tags::{Folder, SECRETS};

const MASTER: &str = "9C1F04E6A2D35B7788E1F0C3D4A59B62";
const NAME: &str = "--organisation-name=Gates";

fn tag(template: &str, uid: &str) -> EmulatedTag {
    let master = Master::standard(&u128::from_str_radix(MASTER, 16).unwrap().to_be_bytes()).unwrap();
    let (layout, uid) = (SdmLayout::new(Scheme::Aes, template).unwrap(), Uid::from_hex(uid).unwrap());
    EmulatedTag::new(&layout, &TagTexts::default(), master.meta_read_key(), master.file_read_key(uid), uid).unwrap()
}

/// Writes secrets that have the master key under a name.
fn write_master(folder: &Folder, legacy: bool, key: &str) {
    let master = format!(r#"{{ "sdmBackend": {{ "sdm-backend": {{ "legacy": {legacy}, "key": "{key}" }} }},"#);
    folder.write_secrets(&SECRETS.replacen('{', &master, 1));
}

fn args<'a>(table: &'a str, config: &'a str) -> Vec<&'a str> {
    vec![
        "import",
        "--from",
        "sdm-backend",
        table,
        "--sdm-config",
        config,
        "--base-url",
        "https://sdm.example.com",
        NAME,
    ]
}

#[test]
fn tags_pass_and_old_taps_do_not() {
    let folder = Folder::new();
    let (table, config) = (sample("sdm-backend.csv"), sample("sdm-backend.env"));
    // The master key is not in the secrets yet.
    let error = refused(&folder, &args(&table, &config));
    let entry = r#""sdmBackend":{"sdm-backend":{"legacy":false,"key":"<MASTER_KEY>"}}"#;
    assert!(error.contains("no sdm-backend key `sdm-backend`") && error.contains(entry), "{error}");
    for (legacy, key) in [(true, MASTER), (false, &*MASTER.replace('9', "8"))] {
        write_master(&folder, legacy, key);
        let error = refused(&folder, &args(&table, &config));
        assert!(error.contains("is not that of the configuration"), "{error}");
    }
    write_master(&folder, false, MASTER);
    let printed = folder.print(&[&args(&table, &config)[..], &["--dry-run"]].concat());
    for text in ["tags: 2 new", "counters: 1", "1 tags have no counter in the source"] {
        assert!(printed.contains(text), "{text}: {printed}");
    }
    assert!(!folder.path("data.redb").exists());
    assert!(folder.print(&args(&table, &config)).contains("2 tags imported"));
    // A second import keeps what the operator changed.
    let number = format!("number/{}", u64::from_str_radix("04A1B2C3D4E532", 16).unwrap());
    folder.print(&["tag", "disable", &number]);
    folder.print(&args(&table, &config));
    assert!(folder.print(&["tag", "show", &number, "--json"]).contains(r#""state":"inactive""#));
    folder.print(&["tag", "enable", &number]);

    let server = serve(&folder);
    let template = "https://sdm.example.com/tag?picc_data={picc:uid,ctr}&cmac={mac}";
    let target = |uid, ctr| tap(tag(template, uid), ctr);
    assert_counter(&server, &target("04A1B2C3D4E531", 41), &target("04A1B2C3D4E531", 42));
    let first = target("04A1B2C3D4E532", 1);
    assert!(get(&server.address, &first).body.contains("Genuine"));
    let second = target("04A1B2C3D4E532", 2);
    let (before, mac) = second.split_at(second.len() - 16);
    let forged = format!("{before}{}", if mac == "0123456789ABCDEF" { "FEDCBA9876543210" } else { "0123456789ABCDEF" });
    assert!(get(&server.address, &forged).body.contains("Not recognised"));
    assert!(get(&server.address, &second).body.contains("Genuine"));
}

#[test]
fn a_tag_in_plain_text_belongs_to_the_ixkio_api() {
    let folder = Folder::new();
    write_master(&folder, false, MASTER);
    let (table, config) = (folder.path("uids.txt"), sample("sdm-backend.env"));
    std::fs::write(&table, "04A1B2C3D4E531,7\n04a1b2c3d4e532,0\n").unwrap();
    let table = table.to_str().unwrap();
    folder.print(&[&args(table, &config)[..], &["--route", "tagpt"]].concat());
    let server = serve(&folder);
    let target = |ctr| tap(tag("https://sdm.example.com/tagpt?uid={uid}&ctr={ctr}&cmac={mac}", "04A1B2C3D4E531"), ctr);
    assert_counter(&server, &target(7), &target(8));
    let tap = target(9);
    let value = |name: &str| tap.split(['?', '&']).find_map(|pair| pair.strip_prefix(name)).unwrap().to_owned();
    let query = format!("/v1/t?x=04A1B2C3D4E531&n={}&e={}&u=04A1B2C3D4E531", value("ctr="), value("cmac="));
    assert!(get(&server.address, &query).body.contains(r#""response":"Pass""#));
    assert!(get(&server.address, &query).body.contains(r#""response":"Fail""#));
}

#[test]
fn a_tag_with_a_seal_writes_one_parameter() {
    let folder = Folder::new();
    write_master(&folder, false, MASTER);
    let (table, config) = (sample("sdm-backend.csv"), sample("sdm-backend.env"));
    let error = refused(&folder, &[&args(&table, &config)[..], &["--route", "tagtt"]].concat());
    assert!(error.contains("the MAC of these tags covers `&cmac=`"), "{error}");
    folder.print(&[&args(&table, &config)[..], &["--route", "tagtt", "--bulk"]].concat());
    let number = u64::from_str_radix("04A1B2C3D4E531", 16).unwrap().to_string();
    let url = folder.print(&["tap", &number]);
    let target = url.trim().strip_prefix("https://sdm.example.com").unwrap();
    let body = get(&serve(&folder).address, target).body;
    assert!(body.contains("Never opened"), "{body}");
}

#[test]
fn bad_configurations_and_rows_are_refused() {
    let folder = Folder::new();
    write_master(&folder, false, MASTER);
    let (table, config) = (sample("sdm-backend.csv"), sample("sdm-backend.env"));
    for (from, to, expected) in [
        ("DERIVE_MODE=standard", "DERIVE_MODE=other", "DERIVE_MODE must be legacy or standard"),
        ("DERIVE_MODE=standard\n", "", "`legacy` must be true"),
        ("MASTER_KEY=", "NO_KEY=", "MASTER_KEY is missing"),
        ("MASTER_KEY=", "SYSTEM_MASTER_KEY=", "an older version"),
        ("59B62", "59B6", "MASTER_KEY must be hex digits"),
        ("59B62", "59B6200", "MASTER_KEY must have 32 or 64 hex digits"),
        (MASTER, "os.environ.get(\"MASTER_KEY\")", "MASTER_KEY is read from the environment"),
        ("MASTER_KEY=", "MASTER_KEY ", "expected lines like NAME=VALUE"),
        ("REQUIRE_LRP=0", "REQUIRE_LRP=maybe", "REQUIRE_LRP must be"),
        ("PARAM=cmac", "PARAM=a&b", "SDMMAC_PARAM is not the name of a parameter"),
        ("PARAM=cmac", "PARAM=", "SDMMAC_PARAM is not the name of a parameter"),
    ] {
        let error = refused(&folder, &args(&table, &changed(&folder, "sdm-backend.env", from, to)));
        assert!(error.contains(expected), "{expected}: {error}");
    }
    for (from, to, expected) in [
        ("last_seen", "seen", "line 1: unknown column `seen`"),
        ("04A1B2C3D4E531", "04A1B2C3D4", "line 2: uid: a UID must have 14 hex digits, got 10"),
        ("04A1B2C3D4E531", "", "line 2: uid: the value is missing"),
        ("04A1B2C3D4E531", "84A1B2C3D4E531", "line 2: uid: the number of a tag is its UID"),
        ("04A1B2C3D4E532", "04A1B2C3D4E531", "line 3: the tag is in this import twice"),
        (",41,", ",-41,", "line 2: last_counter: expected a whole number"),
        ("2024-03-02T10:15:00Z", "2 March", "line 2: a time must be like"),
    ] {
        let error = refused(&folder, &args(&changed(&folder, "sdm-backend.csv", from, to), &config));
        assert!(error.contains(expected), "{expected}: {error}");
    }
    // `config.py` of the same service.
    let python = format!(
        "import binascii\n\n# a comment\nDERIVE_MODE = \"standard\"\nMASTER_KEY = binascii.unhexlify(\"{MASTER}\")\n\
         ENC_PICC_DATA_PARAM = \"picc_data\"\nSDMMAC_PARAM = \"cmac\"\nREQUIRE_LRP = False\nDEBUG = 1\n"
    );
    let path = folder.path("config.py");
    std::fs::write(&path, python).unwrap();
    let printed = folder.print(&args(&table, path.to_str().unwrap()));
    assert!(printed.contains("2 tags imported") && printed.contains("not used: DEBUG"), "{printed}");
}
