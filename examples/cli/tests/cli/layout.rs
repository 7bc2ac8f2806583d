//! `suntap layout`.

use serde_json::json;

use crate::{assert_rejected, suntap};

/// AN12196 Rev 1.8, §6.9.
#[test]
fn the_sample_of_the_application_note_is_laid_out() {
    let template = "https://choose.url.com/ntag424?e={picc}&c={mac}";
    let args = ["layout", template, "--meta-read", "2", "--file-read", "1", "--ctr-ret", "1"];
    let layout = suntap(&[&args[..], &["--json"]].concat(), "").json();
    assert_eq!(layout["offsets"], json!({"PICCDataOffset": 32, "SDMMACInputOffset": 67, "SDMMACOffset": 67}));
    assert_eq!(layout["change_file_settings"], "4000E0C1F121200000430000430000");
    assert_eq!(layout["sdm_settings"], "C1F121200000430000430000");
    assert!(layout["ndef_file"].as_str().unwrap().starts_with("0051D1014D550463686F6F7365"));
    let text = suntap(&args, "");
    assert_eq!(text.code, 0);
    for shown in ["PICCDataOffset     32  20h", "4000E0C1F121200000430000430000", "PICCData 32..63", "SDMMAC 67..82"] {
        assert!(text.out.contains(shown), "{shown}: {}", text.out);
    }
}

/// Each mark is below the text that it names, and a mirror that continues in the next row is marked there too.
#[test]
fn the_picture_marks_each_mirror_below_its_place() {
    let ran = suntap(&["layout", "https://a.b/?u=[[{uid}&n={ctr}&d={enc:32}&c={mac}"], "");
    let expected = "File
    0  0059D101555504  (header, https://)
    7  a.b/?u=00000000000000&n=000000&d=0000000000000000000000000000000
              ^^^^^^^^^^^^^^ UID 14..27
                               ^^^^^^ SDMReadCtr 31..36
                                        ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^ SDMENCFileData 40..71
              ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^ MAC input 14..74
   71  0&c=0000000000000000
       ^ SDMENCFileData 40..71
           ^^^^^^^^^^^^^^^^ SDMMAC 75..90
       ^^^^ MAC input 14..74
";
    assert!(ran.out.ends_with(expected), "{}", ran.out);
}

#[test]
fn taps_that_can_be_copied_or_changed_are_remarked() {
    for (template, expected) in [
        ("https://example.com/?c={mac}", &["neither UID nor counter is mirrored"][..]),
        ("https://example.com/?u={uid}&c={mac}", &["the counter is not mirrored"]),
        ("https://example.com/?e={picc:uid,ctr}&t={tt}&c={mac}", &["the MAC does not cover TTStatus"]),
        ("https://example.com/?e={picc:uid,ctr}&t=[[{tt}&c={mac}", &[]),
    ] {
        let text = suntap(&["layout", template], "");
        let remarks = suntap(&["layout", template, "--json"], "").json()["remarks"].clone();
        assert_eq!((text.code, remarks.as_array().unwrap().len()), (0, expected.len()), "{template}");
        assert_eq!(text.out.matches("remark  ").count(), expected.len(), "{}", text.out);
        assert!(expected.iter().all(|expected| text.out.contains(expected)), "{}", text.out);
    }
}

#[test]
fn a_layout_that_breaks_a_rule_gives_code_1() {
    let long = format!("https://a.b/{}?c={{mac}}", "x".repeat(230));
    for (args, reason) in [
        (&["https://a.b/{picc}?u={uid}&c={mac}"][..], "{picc}"),
        (&["https://a.b/{mac}[["], "[[ must not be after {mac}"),
        (&["https://a.b/?u=[[{uid}&n={ctr}&d={enc:31}&c={mac}"], "32"),
        (&["https://a.b/{uid}{mac}", "--limit", "5"], "counter"),
        (&[&long], "256"),
    ] {
        let ran = suntap(&[&["layout"], args].concat(), "");
        assert_eq!((ran.code, &*ran.out), (1, ""), "{args:?}: {}", ran.err);
        assert!(ran.err.contains(reason), "{}", ran.err);
        let error = suntap(&[&["layout"], args, &["--json"]].concat(), "");
        assert!(error.code == 1 && error.json()["error"].as_str().unwrap().contains(reason));
    }
}

#[test]
fn a_template_or_a_text_that_is_wrong_is_rejected() {
    for (args, reason) in [
        (&["https://a.b/{picc}"][..], "TEMPLATE: {mac} is missing"),
        (&["https://a.b/{mac"], "TEMPLATE: "),
        (&["https://a.b/{nonsense}{mac}"], "TEMPLATE: "),
        (&["a.b/{mac}"], "TEMPLATE: "),
        (&["https://a.b/{picc}[[{enc}{mac}"], "TEMPLATE: the length of {enc} is not pinned: use {enc:N}"),
        (&["https://a.b/{:id}?c={mac}"], "--text: there is no text for {:id}"),
        (&["https://a.b/{:id}?c={mac}", "--text", "id=?"], "--text: "),
        (&["https://a.b/?c={mac}", "--text", "id=1"], "--text: "),
        (&["https://a.b/?c={mac}", "--file-data", "x"], "--file-data: "),
        (&["https://a.b/?c={mac}", "--mode", "suncmac"], "(one of: aes, lrp, ecdsa)"),
    ] {
        for json in [&[][..], &["--json"]] {
            let ran = suntap(&[&["layout"], args, json].concat(), "");
            assert_eq!((ran.code, &*ran.out), (2, ""), "{args:?}: {}", ran.err);
            assert!(ran.err.contains(reason), "{}", ran.err);
        }
    }
}

/// The chip does not accept the first rights. With the others, nobody can change the settings again.
#[test]
fn access_rights_are_checked() {
    let layout = |rights| suntap(&["layout", "https://a.b/?e={picc:uid,ctr}&c={mac}", "--access-rights", rights], "");
    let reserved = layout("5555");
    assert!(reserved.code == 1 && reserved.err.contains("reserved") && reserved.out.is_empty(), "{}", reserved.err);
    let last = layout("EFEE");
    assert!(last.code == 0 && last.out.contains("change these settings"), "{}", last.out);
}

#[test]
fn invalid_options_are_rejected() {
    for args in [["--meta-read", "5"], ["--ctr-ret", "all"], ["--access-rights", "00"], ["--text", "id"]] {
        assert_rejected(&[&["layout", "https://a.b/{mac}"], &args[..]].concat(), "all");
    }
}
