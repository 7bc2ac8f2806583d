//! `suntap settings`.

use serde_json::Value;
use suntap::diagnose::ShiftCause;

use crate::{Ran, assert_rejected, suntap};

const TEMPLATE: &str = "https://choose.url.com/ntag424?e={picc}&c={mac}";
/// The answer to GetFileSettings of AN12196 Rev 1.8, §5.4, and the command of §6.9.
const ANSWER: &str = "0040EEEE000100D1FE001F00004400004400002000006A0000";
const COMMAND: &str = "4000E0C1F121200000430000430000";

fn settings(args: &[&str]) -> Ran {
    suntap(&[&["settings"], args].concat(), "")
}

/// Returns the exit code, the faults and the remarks.
fn judged(args: &[&str]) -> (i32, String, String) {
    let ran = settings(&[args, &["--json"]].concat());
    let report = ran.json();
    let texts = |name: &str| {
        let texts = report[name].as_array().unwrap();
        texts.iter().map(|text| text.as_str().unwrap()).collect::<Vec<_>>().join("\n")
    };
    (ran.code, texts("faults"), texts("remarks"))
}

#[test]
fn each_field_is_explained() {
    let ran = settings(&[ANSWER]);
    assert_eq!((ran.code, &*ran.err), (0, ""));
    for shown in [
        "SDM on, communication plain",
        "256 bytes",
        "UID, SDMReadCtr, SDMENCFileData, ASCII",
        "meta read: PICCData under key 0; file read: key 0; counter: free (E)",
        "SDMENCOffset       440000  68 (44h)",
        "32 characters",
        "No rule of the chip is broken, but read the remarks.",
    ] {
        assert!(ran.out.contains(shown), "{shown}: {}", ran.out);
    }
    let with_status = settings(&[&format!("{ANSWER}9100")]);
    assert_eq!(with_status.out, ran.out);
    let separated = settings(&["0x00", "40:EE:EE", "00-01-00", &ANSWER[14..]]);
    assert_eq!(separated.out, ran.out);
}

#[test]
fn a_command_is_checked_before_it_is_sent() {
    let ran = settings(&["--command", COMMAND, "--template", TEMPLATE]);
    assert_eq!(ran.code, 0, "{}", ran.out);
    for shown in ["Data of ChangeFileSettings", "after \"m/ntag424?e=\"", "PICCData 32..63", "{picc:uid,ctr}&c={mac}"] {
        assert!(ran.out.contains(shown), "{shown}: {}", ran.out);
    }
}

/// Each mistake is a public one: the header is not counted, NLEN is not counted, the prefix is counted, and so on.
#[test]
fn a_wrong_offset_is_named_with_its_likely_cause() {
    for (picc_data, shift, cause) in [
        ("19", "7 too small", ShiftCause::HeaderNotCounted),
        ("1E", "2 too small", ShiftCause::NlenNotCounted),
        ("1F", "1 too small", ShiftCause::Unknown),
        ("21", "1 too large", ShiftCause::PrefixCounted),
        ("28", "8 too large", ShiftCause::PrefixCounted),
        ("32", "18 too large", ShiftCause::DecimalForHex),
        ("14", "12 too small", ShiftCause::HexForDecimal),
    ] {
        let command = COMMAND.replace("C1F12120", &format!("C1F121{picc_data}"));
        let (code, faults, _) = judged(&["--command", &command, "--template", TEMPLATE]);
        let expected = match cause.to_string() {
            cause if cause.is_empty() => shift.to_owned(),
            cause => format!("{shift}.{cause}"),
        };
        assert!(code == 1 && faults.contains("PICCDataOffset") && faults.ends_with(&expected), "{picc_data}: {faults}");
    }
}

/// The file was written for offsets that are greater by 1, so a zero of each placeholder is left.
#[test]
fn zeros_that_are_left_next_to_a_mirror_are_remarked() {
    let layout = suntap(&["layout", TEMPLATE, "--json"], "").json();
    let file = layout["ndef_file"].as_str().unwrap();
    let (code, faults, remarks) = judged(&["--command", COMMAND, "--file", file]);
    assert_eq!((code, &*faults, &*remarks), (0, "", ""));
    let shifted = COMMAND.replace("200000430000430000", "1F0000420000420000");
    let (code, faults, remarks) = judged(&["--command", &shifted, "--file", file]);
    assert_eq!((code, &*faults), (0, ""));
    assert!(remarks.contains("directly after PICCData") && remarks.contains("directly after SDMMAC"), "{remarks}");
    assert!(remarks.contains("PICCData overwrites \"=000"), "{remarks}");
    let shifted = COMMAND.replace("200000430000430000", "210000430000430000");
    let (_, _, remarks) = judged(&["--command", &shifted, "--file", file]);
    assert!(remarks.contains("directly before PICCData"), "{remarks}");
}

#[test]
fn each_rule_that_is_broken_is_named() {
    for (command, rules) in [
        ("0000E0", &["SDM off"][..]),
        ("44 00E0 C1F121 200000 430000 430000", &["FileOption has a reserved bit"]),
        ("40 0050 C1F121 200000 430000 430000", &["AccessRights has the value 5, which is reserved"]),
        ("40 00E0 C0F121 200000 430000 430000", &["bit 0 (ASCII)"]),
        ("40 00E0 C7F121 200000 430000 430000", &["bits 1 and 2 must be 0"]),
        ("40 00E0 C10121 200000 430000 430000", &["must be F"]),
        ("40 00E0 C1F171 200000 430000 430000", &["SDMMetaRead has the value 7"]),
        ("40 00E0 C1FF2E 200000 430000 430000", &["SDMFileRead must name a key"]),
        ("40 00E0 C1FF2F 200000", &["SDMFileRead is F"]),
        ("40 00E0 01FF21 200000 430000 430000", &["neither UID nor counter is mirrored"]),
        ("40 00E0 C1FFF1 430000 430000", &["SDMMetaRead is F"]),
        ("40 00E0 81F121 200000 430000 430000", &["SDMCtrRet must be F"]),
        ("40 00E0 E1F121 200000 430000 430000 000000", &["SDMReadCtrLimit is 0"]),
        ("40 00E0 C1F121 200000 430000", &["SDMMACOffset is missing"]),
        ("40 00E0 C1F121 200000 430000 430000 43", &["more bytes"]),
        ("40 00E0 C1F121 050000 430000 430000", &["PICCData begins in the header"]),
        ("40 00E0 C1F121 F00000 430000 430000", &["PICCData ends at 272", "MAC input"][..1]),
        ("40 00E0 C1F121 200000 200000 300000", &["PICCData and SDMMAC overlap"]),
        ("40 00E0 C1F121 200000 440000 430000", &["must not be greater than SDMMACOffset"]),
        ("40 00E0 C1F121 200000 210000 430000", &["the MAC input begins inside PICCData"]),
        ("40 00E0 91F121 200000 430000 430000 200000 630000", &["needs both UID and counter", "SDMCtrRet"]),
        ("40 00E0 D1F121 200000 430000 430000 100000 630000", &["SDMENCLength is 16"]),
        ("40 00E0 D1F121 200000 630000 430000 200000 630000", &["must be inside the MAC input"]),
        ("40 00E0 D1F121 200000 430000 430000 200000 500000", &["must end at or before SDMMACOffset"]),
        ("40 00E0 D9F121 200000 550000 430000 430000 200000 630000", &["in the first half"]),
    ] {
        let (code, faults, _) = judged(&["--command", command]);
        assert_eq!(code, 1, "{command}");
        for rule in rules {
            assert!(faults.contains(rule), "{command}: {faults}");
        }
    }
}

/// The reader of the library must agree with the rules of the tool.
#[test]
fn what_layout_prints_breaks_no_rule() {
    for (mode, template) in [
        ("aes", "https://a.b/?u={uid}&c={mac}"),
        ("aes", "https://a.b/?u=[[{uid}&n={ctr}&d={enc:64,tt@0}&c={mac}"),
        ("aes", "http://www.a.b/?e=[[{picc:uid,ctr}&c={mac}"),
        ("lrp", "https://a.b/?e={picc:ctr}&t=[[{tt}&c={mac}"),
    ] {
        let layout = suntap(&["layout", template, "--mode", mode, "--json"], "");
        let layout: Value = layout.json();
        let command = layout["change_file_settings"].as_str().unwrap();
        let (code, faults, remarks) = judged(&["--command", command, "--mode", mode, "--template", template]);
        assert_eq!((code, &*faults), (0, ""), "{template}");
        let printed = layout["remarks"].as_array().unwrap().iter().map(|remark| remark.as_str().unwrap());
        assert_eq!(remarks, printed.collect::<Vec<_>>().join("\n"), "{template}");
        assert_eq!(judged(&["--command", command, "--mode", mode]).0, 0, "{template}");
    }
}

#[test]
fn rights_that_are_rarely_intended_are_remarked() {
    let (code, _, remarks) = judged(&[ANSWER]);
    assert!(code == 0 && remarks.contains("anybody can write the file") && remarks.contains("change these settings"));
    let (_, _, remarks) = judged(&["--command", "4000 00C1F121200000430000430000"]);
    assert!(remarks.contains("a phone cannot read the file"), "{remarks}");
}

#[test]
fn taps_that_can_be_copied_or_changed_are_remarked() {
    let (copy, nothing) =
        ("the counter is not mirrored, so replays", "neither UID nor counter is mirrored, so replays");
    let tamper = "the MAC does not cover TTStatus";
    for (command, expected) in [
        (COMMAND, &[][..]),
        ("40 00E0 C9F121 200000 600000 430000 430000", &[tamper]),
        ("40 00E0 C9F121 200000 430000 430000 450000", &[]),
        ("40 00E0 41FFE1 FFFFFF 430000 430000", &[nothing]),
        ("40 00E0 01FFF1 430000 430000", &[nothing]),
        ("40 00E0 81FFE1 200000 430000 430000", &[copy]),
        ("40 00E0 81FF21 200000 430000 430000", &[copy]),
        ("40 00E0 89FFE1 200000 600000 430000 430000", &[copy, tamper]),
        ("40 00E0 C1FFE1 200000 300000 430000 430000", &[]),
    ] {
        let (code, faults, remarks) = judged(&["--command", command]);
        assert_eq!((code, &*faults), (0, ""), "{command}");
        assert_eq!(remarks.lines().count(), expected.len(), "{command}: {remarks}");
        assert!(expected.iter().all(|expected| remarks.contains(expected)), "{command}: {remarks}");
    }
}

#[test]
fn bytes_that_are_cut_off_are_named_once() {
    let (code, faults, _) = judged(&["--command", &COMMAND[..COMMAND.len() - 2]]);
    assert_eq!(code, 1);
    assert_eq!(faults, "SDMMACOffset is missing: SDMOptions and SDMAccessRights announce it");
}

#[test]
fn a_file_number_before_the_data_is_remarked() {
    let (code, _, remarks) = judged(&["--command", &format!("02{COMMAND}")]);
    assert!(code == 1 && remarks.contains("looks like the number of the file"), "{remarks}");
}

#[test]
fn invalid_input_is_rejected() {
    for args in
        [&["00"][..], &["0G"], &["--command", "40"], &[ANSWER, "--mode", "suncmac"], &[ANSWER, "--template", "x"]]
    {
        assert_rejected(&[&["settings"], args].concat(), "0G");
    }
}

/// The settings of the recorded taps of an NTAG X DNA. Source: NXP/nxmw v02.07.00, `demos/nx/sdm/sdm_apps`.
#[test]
fn settings_of_a_tag_that_signs_name_an_ecc_key() {
    let command = "4000E0C100E11B00002C00001B0000350000";
    let template = "https://ntag.nxp.com/xdna?m=[[{uid}&c={ctr}&s={sig}";
    let ecdsa = ["--command", "--mode", "ecdsa"];
    let ran = settings(&[&[command, "--template", template], &ecdsa[..]].concat());
    assert_eq!((ran.code, &*ran.err), (0, ""), "{}", ran.out);
    for shown in ["ECC key: key 0", "SDMMACOffset       350000  53 (35h)", &format!("The tag writes  {template}")] {
        assert!(ran.out.contains(shown), "{shown}: {}", ran.out);
    }
    let layout = ["layout", template, "--mode", "ecdsa", "--file-read", "1", "--ctr-ret", "0", "--json"];
    assert_eq!(suntap(&layout, "").json()["change_file_settings"], command);

    let faults = |settings: &str, args: &[&str]| judged(&[&[settings], args].concat()).1;
    assert!(faults(command, &["--command"]).contains("bits 7 to 4, that must be F, or a key with --mode ecdsa"));
    assert!(faults(&command.replace("C100E1", "C1F0E1"), &ecdsa).contains("number of an ECC key"));
    let gpio = command.replace("C100E11B00002C0000", "C900E11B00002C0000680000");
    assert!(faults(&gpio, &ecdsa).contains("GPIO status"));
    assert!(faults(&command.replace("C100E1", "C100EF"), &ecdsa).contains("SDMFileRead names no key"));
}

#[test]
fn the_chip_is_checked() {
    let template = "https://a.b/?m=[[{uid}x{ctr}&t={tt}&c={mac}";
    let layout = suntap(&["layout", template, "--json"], "").json();
    let command = layout["change_file_settings"].as_str().unwrap();
    let faults = |chip: &str| judged(&["--command", command, "--template", template, "--chip", chip]);
    assert_eq!(faults("ntag424tt").0, 0);
    assert_eq!(faults("ntag424").1, "NTAG 424 DNA: the chip cannot mirror TTStatus");
    assert_eq!(faults("ntag223").1, "NTAG 223 DNA: the chip does not have the scheme aes");
    let ran = settings(&[ANSWER, "--chip", "ntag999"]);
    assert!(ran.code == 2 && ran.err.contains("(one of: ntag424, ntag424tt, ntagx"), "{}", ran.err);
}
