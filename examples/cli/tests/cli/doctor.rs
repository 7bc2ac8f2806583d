//! `suntap doctor`.

use serde_json::{Value, json};

use crate::{SAMPLE, assert_rejected, suntap};

const PLAIN: &str = "https://example.com/?uid=04494ACAFD1990&ctr=00001E&mac=E8E4FD1BDC5005D3";
const ASSUMED: &str = "https://example.com/?uid={uid}&ctr={ctr}&mac={mac}";

/// Runs `suntap doctor` and returns its exit code, standard output and standard error.
fn doctor(args: &[&str]) -> (i32, String, String) {
    let ran = suntap(&[&["doctor"], args].concat(), "");
    (ran.code, ran.out, ran.err)
}

/// Runs `doctor --json` and returns its exit code and its object.
fn doctor_json(args: &[&str]) -> (i32, Value) {
    let (code, out, err) = doctor(&[args, &["--json"]].concat());
    assert_eq!(err, "");
    assert_eq!(out.lines().count(), 1, "{out}");
    (code, serde_json::from_str(&out).unwrap())
}

fn codes(object: &Value) -> Vec<&str> {
    object["findings"].as_array().unwrap().iter().map(|finding| finding["code"].as_str().unwrap()).collect()
}

#[test]
fn without_arguments_it_explains_three_broken_taps() {
    let (code, out, err) = doctor(&[]);
    assert_eq!((code, &*err), (0, ""));
    let places: Vec<usize> =
        ["mac-input", "picc-data-length", "derived-key"].map(|code| out.find(code).unwrap()).into();
    assert!(places.is_sorted(), "{out}");
    for shown in ["uid=[[{uid}&ctr={ctr}", "30 digits", "by AN10922 over UID"] {
        assert!(out.contains(shown), "{shown}");
    }
    assert!(!out.contains('\x1b'), "no colour without a terminal");
}

#[test]
fn a_fault_is_explained_and_the_remedy_is_right() {
    let (code, first) = doctor_json(&[PLAIN, "--template", ASSUMED]);
    assert_eq!((code, first["verdict"].as_str(), codes(&first)), (1, Some("explained"), vec!["mac-input", "new-chip"]));
    assert_eq!(first["works"]["uid"], "04494ACAFD1990");
    assert_eq!(first["works"]["ctr"], 30);
    assert_eq!([0, 1].map(|at| first["findings"][at]["fault"] == true), [true, true]);
    let corrected = first["works"]["template"].as_str().unwrap();
    let (code, then) = doctor_json(&[PLAIN, "--template", corrected, "--key", "zero=00000000000000000000000000000000"]);
    assert_eq!((code, then["verdict"].as_str(), codes(&then)), (1, Some("explained"), vec!["factory-key"]));
    let (code, text, _) = doctor(&[PLAIN, "--template", ASSUMED]);
    assert_eq!(code, 1);
    assert!(text.contains("04494ACAFD1990&ctr=00001E&mac=") && text.contains("How it was made"), "{text}");
}

#[test]
fn every_argument_has_an_effect() {
    let zero = "meta=00000000000000000000000000000000";
    let swapped = ["--key", "mac=00000000000000000000000000000001", "--key", "picc=00000000000000000000000000000002"];
    let sample = |args: &[&str]| {
        let (_, object) = doctor_json(&[&[SAMPLE], args].concat());
        codes(&object).iter().map(|code| (*code).to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(sample(&[]), ["new-chip"]);
    assert_eq!(sample(&["--key", zero]), ["factory-key"]);
    assert_eq!(sample(&swapped), ["factory-key"]);
    assert_eq!(sample(&["--key", zero, "--uid", "04DE5F1EACC041"]), ["other-tag", "factory-key"]);
    assert_eq!(sample(&["--key", zero, "--stored", "61"]), ["counter-behind", "factory-key"]);
    assert_eq!(sample(&["--key", zero, "--second", SAMPLE]), ["counter-stuck", "factory-key"]);
    let ntag_223 = "https://a.b/?m=04C767F2066180x000003x3779793DFE592188";
    let template = "https://a.b/?m={uid}x{ctr}x{mac}";
    let mode = |mode| codes(&doctor_json(&[ntag_223, "--template", template, "--mode", mode]).1).join(" ");
    assert_eq!((mode("suncmac"), mode("aes")), ("new-chip".into(), "mode new-chip".into()));
}

#[test]
fn unexplained_taps_are_reported() {
    let forged = SAMPLE.replace("94EE", "94EF");
    let (code, object) = doctor_json(&[&forged]);
    assert_eq!((code, object["verdict"].as_str(), object["works"].is_null()), (1, Some("unexplained"), true));
    assert_eq!(codes(&object), ["file-key", "factory-key"]);
    assert_eq!(object["complete"], json!(true));
    assert!(object["tried"].as_u64().unwrap() > 1000);
}

#[test]
fn invalid_arguments_are_rejected_and_no_key_is_repeated() {
    let secret = "A7A7A7A7A7A7A7A7A7A7A7A7A7A7A7A7A7";
    for args in [
        &["--json"][..],
        &[SAMPLE, SAMPLE],
        &[SAMPLE, "--nonsense"],
        &[SAMPLE, "--key"],
        &[SAMPLE, "--key", secret],
        &[SAMPLE, "--key", &format!("mine={secret}")],
        &[SAMPLE, "--key", &format!("={}", &secret[..32])],
        &[SAMPLE, "--template", "https://a.b/{picc}"],
        &[SAMPLE, "--mode", "des"],
        &[SAMPLE, "--mode", "lrp"],
        &["--mode", "ecdsa"],
        &[""],
        &[SAMPLE, &format!("--json={secret}")],
        &[SAMPLE, "--key", &format!("{}=mine", &secret[..32])],
        &[SAMPLE, "--uid", "04"],
        &[SAMPLE, "--stored", "99999999"],
        &[SAMPLE, "--uid", "04DE5F1EACC040", "--uid", "04DE5F1EACC040"],
    ] {
        assert_rejected(&[&["doctor"], args].concat(), "A7A7");
    }
    let key = format!("mine={}", &secret[..32]);
    for args in [&[SAMPLE, "--key", &*key][..], &[SAMPLE, "--key", &*key, "--json"]] {
        let (_, out, err) = doctor(args);
        assert!(!(out + &err).to_uppercase().contains("A7A7"), "no key is shown");
    }
    let (code, help, _) = doctor(&["--help"]);
    assert_eq!(code, 0);
    assert!(help.contains("suntap doctor 'https://"), "the help quotes the URL");
}

/// Two public fault reports: a key that is diversified with a suffix, and a tag without a MAC.
#[test]
fn a_suffix_is_tried_and_the_contents_are_shown() {
    let url = suntap(
        &[
            "emulate",
            "--template",
            "https://a.b/?u={uid}&n={ctr}&m={mac}",
            "--file-key",
            "5D0B9A0B0F3F2D2F3F4F5F6F7F8F9FAF",
        ],
        "",
    );
    assert_eq!(doctor_json(&[url.out.as_str()]).1["verdict"], "unexplained");
    let master = "00112233445566778899AABBCCDDEEFF";
    let derive = ["key", "derive", "an10922", "--master-key", master, "--uid", "04000000000000", "--json"];
    let key = suntap(&[&derive[..], &["--aid=112233", "--suffix-text", "odd system"]].concat(), "").json();
    let template = "https://a.b/?u=[[{uid}&n={ctr}&m={mac}";
    let tap = ["emulate", "--template", template, "--file-key", key["key"].as_str().unwrap()];
    let url = suntap(&tap, "").out;
    let mine = format!("mine={master}");
    let tag = [url.as_str(), "--template", template, "--key", &mine];
    assert_eq!(doctor_json(&tag).1["verdict"], "unexplained");
    let suffix = doctor_json(&[&tag[..], &["--aid", "11:22:33", "--suffix-text", "odd system"]].concat()).1;
    assert_eq!(codes(&suffix), ["derived-key"]);
    let hex = doctor_json(&[&tag[..], &["--suffix", "1122336F64642073797374656D"]].concat()).1;
    assert_eq!(codes(&hex), ["derived-key"]);
    let contents = json!({"proven": true, "uid": "04000000000000", "ctr": 1, "tamper": null, "file_data": null, "file_data_text": null});
    assert_eq!(suffix["contents"], contents);
    // The report names the command that derives the key.
    let (_, text, _) = doctor(&[&tag[..], &["--aid", "11:22:33", "--suffix-text", "odd system"]].concat());
    let command = "suntap key derive an10922 --master-key @FILE --uid 04000000000000 --aid 112233 --suffix \
                   6F64642073797374656D";
    assert!(text.contains(command), "{text}");
    for (scheme, input) in [("an10922", "3042F504000000000000"), ("cmac", "00000000000004")] {
        let derive = ["key", "derive", scheme, "--master-key", master, "--input", input, "--json"];
        let key = suntap(&derive, "").json();
        let tap = ["emulate", "--template", template, "--file-key", key["key"].as_str().unwrap()];
        let text = doctor(&[suntap(&tap, "").out.as_str(), "--template", template, "--key", &mine]).1;
        let command = format!("suntap key derive {scheme} --master-key @FILE --input {input}\n");
        assert!(text.contains(&command), "{text}");
    }

    let url = "https://my424dna.com/?picc_data=E704C53A168DCD09F9E9A86D93BA3037&enc=570296360EBE9656E25A734840C5439F";
    let (code, report) = doctor_json(&[url]);
    assert_eq!((code, &report["contents"]["proven"]), (1, &json!(false)));
    assert_eq!(report["contents"]["file_data_text"], "7878787878787878");
    let text = doctor(&[url]).1;
    assert!(text.contains("--key NAME=@FILE") && !doctor(&[url, "--key", &mine]).1.contains("--key NAME"), "{text}");
    assert!(text.contains("not proven") && text.contains("UID       0454A292766380"), "{text}");
}

const SIGNED: &str = "https://ntag.nxp.com/xdna?m=04260471C88990&c=0000E2&s=351767F82CB96B413E885F3F2E339FDC932F20B1EC4A62F3F8B0CC5E\
                      BE34EAA555E043FA0D25FF251455173AB27118F57BE89A85E8A6374D2C0161F81D48D494";
const PUBLIC_KEY: &str = "04A17C02DAB2E67FD77DB3B7C5956858420BF43D47632F89FA96169239EBA42615F1954AA6FE0E76390508618C3408A732C7C52D0CC0B\
                          F6EACFBFE00E902DB17FD";

/// Source: NXP's middleware nxmw v02.07.00, a recorded tap of an NTAG X DNA.
#[test]
fn a_signature_is_verified_with_the_public_key() {
    let (code, report) = doctor_json(&[SIGNED]);
    assert_eq!((code, codes(&report)), (1, vec!["ecc-signature"]), "without the key, nothing is proven");
    let text = doctor(&[SIGNED]).1;
    assert!(text.contains("--public-key KEY") && !text.contains("No key was given"), "{text}");
    let key = ["--mode", "ecdsa", "--public-key", PUBLIC_KEY];
    let with_key = |args: &[&str]| doctor_json(&[args, &key[..]].concat());
    let (code, report) = with_key(&[SIGNED]);
    assert_eq!((code, report["verdict"].as_str(), codes(&report)), (0, Some("healthy"), vec![]));
    let template = "https://ntag.nxp.com/xdna?m=[[{uid}&c={ctr}&s={sig}";
    assert_eq!((&report["works"]["template"], &report["works"]["mode"]), (&json!(template), &json!("ecdsa")));
    assert_eq!((&report["works"]["file_key"], &report["contents"]["proven"]), (&Value::Null, &json!(true)));
    let (code, report) = with_key(&[SIGNED, "--template", "https://ntag.nxp.com/xdna?[[m={uid}&c={ctr}&s={sig}"]);
    assert_eq!((code, codes(&report)), (1, vec!["signature-input"]));
    assert_eq!(report["works"]["template"], template);
    let mac = ["--template", "https://ntag.nxp.com/xdna?m=[[{uid}&c={ctr}&s={mac}", "--public-key", PUBLIC_KEY];
    assert_eq!(codes(&doctor_json(&[&[SIGNED], &mac[..]].concat()).1), ["mode"]);
    let forged = SIGNED.replace("0000E2", "0000E3");
    let (code, report) = with_key(&[&forged]);
    assert_eq!((code, codes(&report), &report["contents"]["proven"]), (1, vec!["mirror-changed"], &json!(false)));
    let (code, report) = doctor_json(&[PLAIN, "--template", template, "--mode", "ecdsa"]);
    assert_eq!((code, codes(&report)[0]), (1, "mode"), "the tag writes a MAC");

    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("key.txt");
    std::fs::write(&file, PUBLIC_KEY).unwrap();
    let (code, text, _) = doctor(&[SIGNED, "--public-key", &format!("@{}", file.display())]);
    assert!(code == 0 && text.contains("signed    with the private key of the given public key"), "{text}");
    let (code, _, error) = doctor(&[SIGNED, "--public-key", "04A1"]);
    assert!(code == 2 && error.contains("P-256"), "{error}");
}
