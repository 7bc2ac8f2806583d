//! Tags that sign their taps: only their public keys are known here.

use rcgen::{KeyPair, SigningKey as _};
use serde_json::{Value, json};
use suntap::emulator::{EmulatedTag, TagPrivateKey};
use suntap::{Scheme, SdmFileReadKey, SdmLayout, SdmMetaReadKey, SdmReadCtr, TagTexts, Uid};
use suntap_server::check::{check, check_old_secrets};
use suntap_server::import::{Allowed, import};
use suntap_server::store::{Options, Store};

use crate::backends;
use crate::client::{Client, Server, get};
use crate::counters::etrnl_body;
use crate::http::{command, imported};
use crate::import::{changed, import_into, open};
use crate::partial::{document, run_import};
use crate::tags::{self, Folder};

const IXKIO: &str = "https://t.example/tap?x={:xuid}&u=[[{uid}&n={ctr}&e={sig}";
const ETRNL: &str = "https://t.example/tap?id={:tagId}&e=[[{picc:uid,ctr}&c={sig}";
/// A layout whose URL does not name the tag.
const UNNAMED: &str = "https://t.example/x?v=[[{picc}&s={sig}";
/// The SDMMetaReadKey `shoes` of [`tags::SECRETS`].
const SHOES: [u8; 16] = [0xC0; 16];
const OTHER: [u8; 16] = [0xC1; 16];

fn private_key(number: u8) -> TagPrivateKey {
    TagPrivateKey::from_bytes([number; 32]).unwrap()
}

fn public_key(number: u8) -> String {
    private_key(number).public_key().to_string()
}

fn uid(number: u8) -> Uid {
    Uid::from_bytes([4, 7, 7, 7, 7, 7, number])
}

/// Returns the tag of this number, in software.
fn tag(number: u8, template: &str, meta: [u8; 16]) -> EmulatedTag {
    tag_with(number, template, meta, (number, number))
}

/// Returns a tag with the private key and the UID of these numbers.
fn tag_with(number: u8, template: &str, meta: [u8; 16], (key, of_uid): (u8, u8)) -> EmulatedTag {
    let layout = SdmLayout::new(Scheme::Ecdsa, template).unwrap();
    let (xuid, digits) = (tags::xuid(number.into()), number.to_string());
    let captured: Vec<_> = [("xuid", &*xuid), ("tagId", &*digits)]
        .into_iter()
        .filter(|(name, _)| layout.names().any(|element| element == *name))
        .collect();
    let texts = TagTexts { captured: &captured, ..TagTexts::default() };
    let (meta, file) = (SdmMetaReadKey::from_bytes(meta), SdmFileReadKey::FACTORY);
    EmulatedTag::new_signing(&layout, &texts, meta, file, private_key(key), uid(of_uid)).unwrap()
}

/// Returns the line that imports a tag of the ixkio API.
fn line(number: u8, template: &str) -> Value {
    json!({ "tag": { "organisation": 1, "batch": "F/G/B", "xuid": tags::xuid(number.into()), "name": "Shoe",
        "uid": uid(number).to_string(), "layout": { "mode": "ecdsa", "template": template },
        "keys": { "signing": { "public": public_key(number) } } } })
}

/// Returns the line that imports a tag of the ETRNL API.
fn number_line(number: u8, template: &str, meta: &Value) -> Value {
    let mut line = line(number, template);
    let tag = line["tag"].as_object_mut().unwrap();
    tag.retain(|name, _| name != "xuid" && name != "batch");
    tag.insert("number".into(), number.into());
    tag["keys"]["signing"]["meta"] = meta.clone();
    line
}

fn plain(meta: [u8; 16]) -> Value {
    json!({ "plain": format!("{:032X}", u128::from_be_bytes(meta)) })
}

/// Returns the path and query of the next tap.
fn tap(tag: &mut EmulatedTag) -> String {
    tag.tap().unwrap().strip_prefix("https://t.example").unwrap().to_owned()
}

/// Returns the same text with another last digit of the signature.
fn forged(target: &str) -> String {
    let (start, last) = target.split_at(target.len() - 1);
    format!("{start}{}", if last == "0" { "1" } else { "0" })
}

#[track_caller]
fn assert_has(server: &Server, target: &str, wanted: &str) {
    let body = get(&server.address, target).body;
    assert!(body.contains(wanted), "{target}: {body}");
}

/// Returns the error of the ETRNL API for a tap.
fn etrnl(server: &Server, key: &str, target: &str) -> Value {
    let mut body: Value = serde_json::from_str(&etrnl_body(target)).unwrap();
    body["eCode"] = "".into();
    let path = "/v1/tags/verify-authenticity";
    let header = format!("API-Key: {key}\r\n");
    let reply = Client::new(&server.address).unwrap().post(path, &header, body.to_string().as_bytes()).unwrap();
    serde_json::from_str::<Value>(&reply.body).unwrap()["err"].clone()
}

/// Both APIs and the page accept each tap once, over a store.
async fn taps_pass_once(url: &str) {
    let key = "pk_live-0123456789";
    let store = Store::create(&url.parse().unwrap(), Options::default()).await.unwrap();
    let mut lines = tags::levels();
    lines.extend([
        json!({ "apiKey": { "organisation": 1, "key": key, "kind": "public" } }),
        line(1, IXKIO),
        number_line(2, ETRNL, &plain(OTHER)),
        number_line(3, ETRNL, &json!({ "named": "shoes" })),
        number_line(4, UNNAMED, &plain(OTHER)),
        number_line(5, UNNAMED, &json!({ "named": "shoes" })),
        line(6, "https://t.example/y?u=[[{uid}&c={ctr}&s={sig}"),
    ]);
    import_into(&store, &lines).await.unwrap();
    assert!(check(&store, tags::secrets()).await.unwrap().is_empty());
    store.close().await;
    let folder = Folder::new();
    let server = Server::on(url, &folder.secrets());

    let mut ixkio = tag(1, IXKIO, SHOES);
    for _ in 0..2 {
        let target = tags::target(&ixkio.tap().unwrap());
        assert_has(&server, &forged(&target), "Fail");
        assert_has(&server, &target, r#""response":"Pass""#);
        assert_has(&server, &target, "Fail");
    }
    for (number, meta) in [(2, OTHER), (3, SHOES)] {
        let mut tag = tag(number, ETRNL, meta);
        let target = tap(&mut tag);
        assert_ne!(etrnl(&server, key, &forged(&target)), Value::Null);
        assert_eq!([etrnl(&server, key, &target), etrnl(&server, key, &target)], [Value::Null, "ctrBehind".into()]);
        // The page has the same counter.
        assert_has(&server, &target, "Link already used");
    }
    let page = [
        ixkio,
        tag(4, UNNAMED, OTHER),
        tag(5, UNNAMED, SHOES),
        tag(6, "https://t.example/y?u=[[{uid}&c={ctr}&s={sig}", SHOES),
    ];
    for mut tag in page {
        let target = tap(&mut tag);
        assert_has(&server, &forged(&target), "Not recognised");
        assert_has(&server, &target, "Genuine");
        assert_has(&server, &target, "Link already used");
    }
    // The key of another tag.
    let mut other = tag_with(2, UNNAMED, SHOES, (9, 5));
    for _ in 0..5 {
        assert_has(&server, &tap(&mut other), "Not recognised");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn signed_taps_pass_once_over_a_file() {
    let folder = Folder::new();
    taps_pass_once(folder.path("data.redb").to_str().unwrap()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn signed_taps_pass_once_over_databases() {
    for backend in [backends::postgres(), backends::redis(&[])].into_iter().flatten() {
        taps_pass_once(&backend.url).await;
    }
}

/// The taps of NXP's repository, see `tests/it/service_ecdsa.rs`.
#[test]
fn recorded_taps_pass_once() {
    let file = vectors();
    let text = |index: usize, name: &str| file["taps"][index][name].as_str().unwrap().to_owned();
    let [plain, picc] = [0, 1].map(|index| text(index, "url").strip_prefix("https://ntag.nxp.com").unwrap().to_owned());
    let recorded = |line: Value, template: &str| {
        let mut line = line;
        line["tag"]["uid"] = "04260471C88990".into();
        line["tag"]["layout"]["template"] = template.into();
        line["tag"]["keys"]["signing"]["public"] = text(0, "public_key").to_lowercase().into();
        line
    };
    let zero = json!({ "plain": "0".repeat(32) });
    let with_uid = recorded(line(1, ""), "https://ntag.nxp.com/xdna?m=[[{uid}&c={ctr}&s={sig}");
    let with_picc = recorded(number_line(2, "", &zero), "https://ntag.nxp.com/xdna?v=[[EE&e={picc:uid,ctr}&s={sig}");
    let serve = |line: &Value| {
        let folder = Folder::new();
        let lines = [tags::levels(), vec![line.clone()]].concat();
        let (is_done, said) = run_import(&folder, &lines, &["--allow-factory-keys"]);
        assert!(is_done, "{said}");
        let key = folder.print(&["key", "new", "--organisation", "1"]).trim().to_owned();
        let server = Server::spawn(command(&folder, &["--log", "warn"]));
        (folder, server, key)
    };

    let (_folder, server, _) = serve(&with_uid);
    let api = format!("/v1/t?x=tag00001&n=0000E2&e={}", &plain[plain.len() - 128..]);
    assert_has(&server, &api.replace("E2&", "E3&"), "Fail");
    assert_has(&server, &api, "Pass");
    assert_has(&server, &api, "Fail");
    assert_has(&server, &plain, "Link already used");
    let (_folder, server, _) = serve(&with_uid);
    assert_has(&server, &plain.replace("E2&", "E3&"), "Not recognised");
    assert_has(&server, &plain, "Genuine");
    assert_has(&server, &plain, "Link already used");

    let (_folder, server, key) = serve(&with_picc);
    assert_has(&server, &picc, "Genuine");
    let body = picc.replace("v=EE", "id=2").replace("s=", "c=");
    assert_eq!(etrnl(&server, &key, &body), "ctrBehind");
    let (_folder, server, key) = serve(&with_picc);
    assert_eq!([etrnl(&server, &key, &body), etrnl(&server, &key, &body)], [Value::Null, "ctrBehind".into()]);
}

pub(crate) fn vectors() -> Value {
    serde_json::from_str(include_str!("../../../../tests/vectors/xdna-vectors.json")).unwrap()
}

/// Returns an element of DER with fewer than 65,536 bytes. All texts here are hex digits.
fn element(tag: &str, content: &str) -> String {
    let length = match content.len() / 2 {
        length @ 0..128 => format!("{length:02X}"),
        length @ 128..256 => format!("81{length:02X}"),
        length => format!("82{length:04X}"),
    };
    format!("{tag}{length}{content}")
}

/// Returns the recorded certificate with another UID and public key, signed by another root.
fn certificate(root: &KeyPair, uid: Uid, public: &str) -> String {
    let vectors = vectors();
    let recorded = |name: &str| vectors["app_cert"][name].as_str().unwrap();
    let content = &recorded("hex")[26..][..2 * 0x10B];
    // The key is the last element of the content.
    let (names, _) = content.split_once("3059301306072A8648CE3D").unwrap();
    assert_eq!(names.matches(recorded("uid")).count(), 2);
    let algorithms = "301306072A8648CE3D020106082A8648CE3D030107";
    let key = element("30", &format!("{algorithms}{}", element("03", &format!("00{public}"))));
    let signed = element("30", &format!("{}{key}", names.replace(recorded("uid"), &uid.to_string())));
    let signature = root.sign(&base16ct::mixed::decode_vec(&signed).unwrap()).unwrap();
    let signature = element("03", &format!("00{}", base16ct::upper::encode_string(&signature)));
    let der = element("30", &format!("{signed}300A06082A8648CE3D040302{signature}"));
    element("7F21", &der)
}

fn own_root() -> (KeyPair, String) {
    let root = KeyPair::generate_for(&rcgen::PKCS_ECDSA_P256_SHA256).unwrap();
    let public = base16ct::upper::encode_string(root.public_key_raw());
    (root, public)
}

/// The recorded certificate, from NXP's repository. No tap of its chip is recorded.
#[test]
fn the_recorded_certificate_is_imported() {
    let file = vectors();
    let text = |name: &str| file["app_cert"][name].as_str().unwrap();
    let mut line = line(1, IXKIO);
    line["tag"]["uid"] = text("uid").into();
    line["tag"]["keys"] = json!({ "signing": { "certificate": text("hex") } });
    let (folder, _) = imported(&[tags::levels(), vec![line.clone()]].concat());
    let exported = folder.print(&["tag", "export"]);
    let expected =
        r#""keys":{"signing":{"public":"03BDD47762CE1E6C3D891A687A9E3ED186FCE921D98FD55040106F6CD734423DCC"}}"#;
    assert!(exported.contains(expected), "{exported}");
    // The same line again, and a later line without the UID, which is stored.
    for _ in 0..2 {
        let (is_done, said) = run_import(&folder, &[line.clone()], &[]);
        assert!(is_done, "{said}");
        line["tag"].as_object_mut().unwrap().remove("uid");
    }
    assert_eq!(folder.print(&["tag", "export"]), exported);
    // A key that is given takes the place of the default.
    let (_, other) = own_root();
    let (is_done, said) = run_import(&folder, &[line.clone()], &["--certificate-roots", &other]);
    let reason = "line 1: `certificate`: none of the trusted root keys has signed the certificate";
    assert!(!is_done && said.contains(reason), "{said}");
    let both = format!("{other},{}", suntap::certificate::NXP_AUTH_ROOT_CA_E201);
    assert!(run_import(&folder, &[line], &["--certificate-roots", &both]).0);
}

/// A root of our own signs the certificates of two tags. Their taps pass once.
#[test]
fn tags_with_a_certificate_are_verified() {
    let (root, public) = own_root();
    let mut lines = [line(1, IXKIO), number_line(2, UNNAMED, &plain(OTHER))];
    for (number, line) in (1..).zip(&mut lines) {
        let signing = line["tag"]["keys"]["signing"].as_object_mut().unwrap();
        signing.remove("public");
        signing.insert("certificate".into(), certificate(&root, uid(number), &public_key(number)).into());
    }
    let folder = Folder::new();
    let lines = [tags::levels(), lines.to_vec()].concat();
    let (is_done, said) = run_import(&folder, &lines, &["--certificate-roots", &public]);
    assert!(is_done, "{said}");
    assert_eq!(folder.print(&["check"]), "0 findings\n");
    let server = Server::spawn(command(&folder, &["--log", "warn"]));
    let target = tap(&mut tag(1, IXKIO, SHOES));
    assert_has(&server, &target, "Genuine");
    assert_has(&server, &target, "Link already used");
    let target = tap(&mut tag(2, UNNAMED, OTHER));
    assert_has(&server, &forged(&target), "Not recognised");
    assert_has(&server, &target, "Genuine");
}

/// The taps of a tag with the certificate of another tag do not pass, so the line is refused.
#[tokio::test]
async fn a_certificate_that_does_not_fit_is_refused() {
    let file = vectors();
    let recorded = file["app_cert"]["hex"].as_str().unwrap();
    let own = certificate(&own_root().0, uid(1), &public_key(1));
    let cases = [
        (recorded.replace("BEF07969", "BEF07968"), "none of the trusted root keys has signed the certificate"),
        (recorded.into(), "the certificate is that of a different tag, with UID 04AC4DBAD71E90"),
        (own, "none of the trusted root keys has signed the certificate"),
        (recorded[10..].into(), "expected 7F2182"),
        (recorded[1..].into(), "must have an even number of hex digits"),
    ];
    let folder = Folder::new();
    let store = open(&folder).await;
    for (certificate, reason) in cases {
        let mut line = line(1, IXKIO);
        line["tag"]["keys"] = json!({ "signing": { "certificate": certificate } });
        let error = import_into(&store, &[tags::levels(), vec![line]].concat()).await.unwrap_err().to_string();
        assert!(error.starts_with("line 5: `certificate`") && error.contains(reason), "{error}");
        assert!(!error.contains("04AC4DBAD71E9030"), "{error}");
    }
    store.close().await;
}

#[tokio::test]
async fn an_invalid_line_is_named() {
    let signing = |signing: Value| json!({ "signing": signing });
    let public = public_key(1);
    let with_keys = |number: u8, keys: Value| {
        let mut line = if number == 1 { line(1, IXKIO) } else { number_line(2, ETRNL, &plain(OTHER)) };
        line["tag"]["keys"] = keys;
        line
    };
    let off_curve = format!("02{}", "FF".repeat(32));
    let cases = [
        (with_keys(1, signing(json!({ "public": off_curve }))), "`public` must be a point on the curve P-256"),
        (with_keys(1, signing(json!({ "public": &public[2..] }))), "66 or 130 hex digits"),
        (with_keys(1, signing(json!({}))), "`keys.signing` needs either `public` or `certificate`"),
        (
            with_keys(1, signing(json!({ "public": public, "certificate": "7F21" }))),
            "`keys.signing` needs either `public` or `certificate`",
        ),
        (with_keys(1, signing(json!({ "public": public, "file": "00" }))), "unknown field `file`"),
        (
            changed(1, json!({ "keys": signing(json!({ "public": public })) })),
            "`keys.signing` needs a layout with {sig}",
        ),
        (
            with_keys(1, json!({ "plain": { "file": "7A".repeat(16) } })),
            "a layout with {sig} needs the public key of the tag in `keys.signing`",
        ),
        (
            with_keys(2, json!({ "derived": { "an10922": { "master": "shoes", "meta": "shoes" } } })),
            "a layout with {sig} needs the public key of the tag in `keys.signing`",
        ),
        (with_keys(2, signing(json!({ "public": public }))), "the layout has {picc}, so `keys.signing` needs `meta`"),
        (
            with_keys(2, signing(json!({ "public": public, "meta": { "plain": "C1C1" } }))),
            "`meta` must have 32 hex digits",
        ),
        (with_keys(2, signing(json!({ "public": public, "meta": { "named": "boots" } }))), "no key of this name"),
        (
            with_keys(2, signing(json!({ "public": public, "meta": { "held": "C1".repeat(64) } }))),
            "opens the `held` keys",
        ),
        (
            with_keys(2, signing(json!({ "public": public, "meta": "C1".repeat(16) }))),
            "expected one of `plain`, `held`, `named`",
        ),
        (with_keys(2, signing(json!({ "public": public, "meta": plain([0; 16]) }))), "--allow-factory-keys accepts it"),
    ];
    for (line, reason) in cases {
        let folder = Folder::new();
        let store = open(&folder).await;
        let error = import_into(&store, &[tags::levels(), vec![line.clone()]].concat()).await.unwrap_err().to_string();
        assert!(error.starts_with("line 5: ") && error.contains(reason), "{line}: {error}");
        assert!(!error.contains("C1C1") && !error.contains(&public[2..10]), "{error}");
        store.close().await;
    }
    // The mode and the template of a layout must fit each other.
    for (mode, template, reason) in [
        ("aes", IXKIO, "{sig} needs the scheme ecdsa"),
        ("ecdsa", tags::LAYOUT, "{sig} is missing"),
        ("ecdsa", "https://t.example/tap?x={:xuid}&u={uid}&n={ctr}&e={sig}", "{sig} needs [["),
    ] {
        let folder = Folder::new();
        let store = open(&folder).await;
        let mut line = line(1, template);
        line["tag"]["layout"]["mode"] = mode.into();
        let error = import_into(&store, &[tags::levels(), vec![line]].concat()).await.unwrap_err().to_string();
        assert!(error.contains(reason), "{template}: {error}");
        store.close().await;
    }
}

/// A shared key of zeros is refused as well.
#[test]
fn factory_keys_of_the_secrets_need_a_flag() {
    let folder = Folder::new();
    folder.write_secrets(&tags::SECRETS.replace(&"C0".repeat(16), &"00".repeat(16)));
    let lines = [tags::levels(), vec![number_line(2, ETRNL, &json!({ "named": "shoes" }))]].concat();
    let (is_done, said) = run_import(&folder, &lines, &[]);
    assert!(!is_done && said.contains("line 5: `meta` is 16 zero bytes"), "{said}");
    assert!(run_import(&folder, &lines, &["--allow-factory-keys"]).0);
    // A name of the secrets that is in use must stay there.
    folder.write_secrets(&tags::SECRETS.replace("shoes", "boots"));
    let said = folder.run(&["check"]);
    let said = String::from_utf8([said.stdout, said.stderr].concat()).unwrap();
    assert!(said.contains("metaKeys") && said.contains("shoes"), "{said}");
}

/// The private key is in the chip alone.
#[test]
fn a_test_tap_is_refused() {
    let (folder, _) = imported(&[tags::levels(), vec![line(1, IXKIO)]].concat());
    let output = folder.run(&["tap", "tag00001"]);
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(!output.status.success() && output.stdout.is_empty(), "{said}");
    assert!(
        said.starts_with("suntap-server: the tag signs its taps, and only its chip has the private key\n"),
        "{said}"
    );
}

/// An export has the public key as it is, the sealed SDMMetaReadKey, and the counter.
#[test]
fn an_export_is_imported_into_an_empty_store() {
    let lines =
        [line(1, IXKIO), number_line(2, UNNAMED, &plain(OTHER)), number_line(3, UNNAMED, &json!({ "named": "shoes" }))];
    let (folder, _) = imported(&[tags::levels(), lines.to_vec()].concat());
    let mut all = [tag(1, IXKIO, SHOES), tag(2, UNNAMED, OTHER), tag(3, UNNAMED, SHOES)];
    let mut server = Server::spawn(command(&folder, &["--log", "warn"]));
    let spent = all.each_mut().map(tap);
    for target in &spent {
        assert_has(&server, target, "Genuine");
    }
    server.terminate();
    let exported = folder.print(&["tag", "export"]);
    assert!(exported.contains(&public_key(2)) && !exported.contains(&"C1".repeat(16)), "{exported}");
    assert_eq!(folder.print(&["check"]), "0 findings\n");
    let shown = folder.print(&["tag", "show", "tag00001", "--json"]);
    let shown: Value = serde_json::from_str(&shown).unwrap();
    assert_eq!((&shown["keys"], &shown["layout"]["mode"]), (&"signing".into(), &"ecdsa".into()));

    let other = Folder::new();
    std::fs::write(other.path("export"), &exported).unwrap();
    other.print(&["import", other.path("export").to_str().unwrap()]);
    assert_eq!(other.print(&["tag", "export"]), exported, "nothing is lost");
    let server = Server::spawn(command(&other, &["--log", "warn"]));
    for (tag, target) in all.iter_mut().zip(&spent) {
        assert_has(&server, target, "Link already used");
        assert_has(&server, &tap(tag), "Genuine");
    }
    drop(server);
    // The sealed key of one tag does not open for another, also not with another UID.
    let own = uid(2).to_string();
    std::fs::write(other.path("export"), exported.replace(&own, &own.replace("0407", "0409"))).unwrap();
    let output = other.run(&["import", other.path("export").to_str().unwrap()]);
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(said.contains("no server secret opens the `held` keys"), "{said}");
}

/// The sealed SDMMetaReadKeys of the tag and of the index are sealed under another server secret.
#[tokio::test(flavor = "multi_thread")]
async fn meta_keys_are_resealed() {
    const A: &str = "5E5E5E5E5E5E5E5E5E5E5E5E5E5E5E5E";
    let rotated = tags::SECRETS.replace(A, &format!(r#"{}", "{A}"#, "6F".repeat(16)));
    let new = tags::SECRETS.replace(A, &"6F".repeat(16));
    let parse = |text: &str| suntap_server::secrets::Secrets::parse(text).unwrap();
    let folder = Folder::new();
    let store = open(&folder).await;
    let lines = [number_line(2, UNNAMED, &plain(OTHER)), number_line(3, UNNAMED, &json!({ "named": "shoes" }))];
    import_into(&store, &[tags::levels(), lines.to_vec()].concat()).await.unwrap();
    let sealed = document(&store, "number/2").await["tag"]["keys"]["source"]["signing"]["meta"]["held"].clone();
    assert_eq!(sealed.as_str().unwrap().len(), 128);
    assert_eq!(check_old_secrets(&store, &parse(&rotated)).await.unwrap().len(), 2);
    store.close().await;
    folder.write_secrets(&rotated);
    let said = folder.print(&["reseal"]);
    assert!(said.contains("the keys of 2 sealed") && said.contains("no longer needed"), "{said}");
    folder.write_secrets(&new);
    assert_eq!(folder.print(&["check"]), "0 findings\n");
    let server = Server::spawn(command(&folder, &["--log", "warn"]));
    for mut tag in [tag(2, UNNAMED, OTHER), tag(3, UNNAMED, SHOES)] {
        assert_has(&server, &tap(&mut tag), "Genuine");
    }
}

/// A line that does not name `keys` keeps them. Another key has another counter.
#[tokio::test(flavor = "multi_thread")]
async fn changes_of_a_tag_keep_what_they_must() {
    let folder = Folder::new();
    let store = open(&folder).await;
    let lines = [line(1, IXKIO), number_line(2, UNNAMED, &plain(OTHER))];
    import_into(&store, &[tags::levels(), lines.to_vec()].concat()).await.unwrap();
    store.close().await;
    let served = |target: &str, wanted: &str| {
        let mut server = Server::spawn(command(&folder, &["--log", "warn"]));
        assert_has(&server, target, wanted);
        server.terminate();
    };
    let import_line = async |line: Value| {
        let store = open(&folder).await;
        let done = import(&store, tags::secrets(), &tags::text(&[line]), Allowed::default(), |_| ()).await;
        done.unwrap();
        store.close().await;
    };
    // The SDMMetaReadKey is sealed again for another UID.
    import_line(json!({ "tag": { "number": 2, "uid": uid(7).to_string() } })).await;
    let mut moved = tag_with(2, UNNAMED, OTHER, (2, 7));
    served(&tap(&mut moved), "Genuine");
    // The same key, without the UID in the layout: the counter id is another one, and its counter is kept.
    let without_uid = "https://t.example/tap?x={:xuid}&n=[[{ctr}&e={sig}";
    let tap_after = |ctr, template| tap(&mut tag(1, template, SHOES).with_ctr(SdmReadCtr::new(ctr).unwrap()));
    served(&tap_after(4, IXKIO), "Genuine");
    import_line(line(1, without_uid)).await;
    served(&tap_after(4, without_uid), "Link already used");
    served(&tap_after(5, without_uid), "Genuine");
    // Another public key starts with a counter of its own, although the SDMMetaReadKey is the same.
    let mut changed = number_line(2, UNNAMED, &plain(OTHER));
    changed["tag"]["keys"]["signing"]["public"] = public_key(8).into();
    changed["tag"]["uid"] = uid(7).to_string().into();
    import_line(changed).await;
    let mut replaced = tag_with(2, UNNAMED, OTHER, (8, 7));
    served(&tap(&mut replaced), "Genuine");
    served(&tap(&mut moved), "Not recognised");
}
