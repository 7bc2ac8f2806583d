//! Values, keys and layouts as text in configuration files.

use serde::Deserialize as _;
use serde::de::{IntoDeserializer, value};
use serde_json::{from_value, json, to_value};
use suntap::kdf::ecode::{ECode, ServerSecret};
use suntap::{
    ApplicationKey, CounterId, IssuerKey, MasterKey, Scheme, SdmFileReadKey, SdmLayout, SdmMetaReadKey, SdmReadCtr,
    Uid, UnixMillis,
};

#[test]
fn values_round_trip() {
    let uid: Uid = from_value(json!("04de5f1eacc040")).unwrap();
    assert_eq!(to_value(uid).unwrap(), json!("04DE5F1EACC040"));
    let id: CounterId = from_value(json!("5A".repeat(16))).unwrap();
    assert_eq!((id, to_value(id).unwrap()), (CounterId::from_bytes([0x5A; 16]), json!("5A".repeat(16))));
    let ctr: SdmReadCtr = from_value(json!(61)).unwrap();
    assert_eq!(to_value(ctr).unwrap(), json!(61));
    assert_eq!(from_value::<UnixMillis>(json!(5)).unwrap(), UnixMillis::new(5));
    assert_eq!(to_value(UnixMillis::new(5)).unwrap(), json!(5));
    for wrong in [json!(16_777_216), json!(-1), json!("61")] {
        assert!(from_value::<SdmReadCtr>(wrong).is_err());
    }
    assert!(from_value::<Uid>(json!("04DE5F1EACC0")).is_err());
    let error = from_value::<Uid>(json!(true)).unwrap_err().to_string();
    assert!(error.contains("expected a UID of 14 hexadecimal digits"), "{error}");
    assert!(from_value::<CounterId>(json!("5A")).is_err());
}

#[test]
fn a_layout_is_text_or_a_scheme_and_text() {
    let template = "https://a.b/?e={picc:uid,ctr}&c={mac}";
    let layout: SdmLayout = from_value(json!(template)).unwrap();
    assert_eq!(layout, SdmLayout::new(Scheme::Aes, template).unwrap());
    assert_eq!(to_value(&layout).unwrap(), json!(template));
    let both = from_value::<SdmLayout>(json!({ "template": template, "scheme": "aes" })).unwrap();
    assert_eq!(both, layout);
    assert_eq!(from_value::<SdmLayout>(json!({ "template": template })).unwrap(), layout);
    let plain = "https://a.b/?m={uid}x{ctr}x{mac}";
    for name in ["scheme", "mode"] {
        let written = json!({ name: "suncmac", "template": plain });
        let layout: SdmLayout = from_value(written).unwrap();
        assert_eq!(layout, SdmLayout::new(Scheme::Suncmac, plain).unwrap());
        assert_eq!(to_value(&layout).unwrap(), json!({ "scheme": "suncmac", "template": plain }));
    }
    for (wrong, reason) in [
        (json!("https://a.b/"), "{mac}"),
        (json!({ "scheme": "aes" }), "template"),
        (json!({ "scheme": "des", "template": template }), "expected `aes`, `lrp`, `suncmac` or `ecdsa`"),
        (json!({ "shceme": "aes", "template": template }), "unknown field"),
        (json!({ "template": "x".repeat(300) }), "256 characters"),
        (json!(7), "a URL template"),
    ] {
        let error = from_value::<SdmLayout>(wrong.clone()).unwrap_err().to_string();
        assert!(error.contains(reason), "{wrong}: {error}");
    }
    for twice in [r#""mode":"aes","scheme":"aes""#, r#""template":"https://a.b/{mac}""#] {
        let twice = format!(r#"{{"template":"{template}",{twice}}}"#);
        assert!(serde_json::from_str::<SdmLayout>(&twice).unwrap_err().to_string().contains("duplicate"));
    }
}

/// Asserts that the error for a key that is written as a number does not show the number.
fn assert_hidden<'de>(number: impl IntoDeserializer<'de, value::Error>) {
    let error = SdmFileReadKey::deserialize(number.into_deserializer()).unwrap_err();
    assert_eq!(error.to_string(), "expected a key of 32 hexadecimal digits as text");
}

#[test]
fn keys_are_read_and_errors_show_no_key() {
    let digits = "A7".repeat(16);
    assert_eq!(from_value::<SdmFileReadKey>(json!(digits)).unwrap(), SdmFileReadKey::from_bytes([0xA7; 16]));
    assert_eq!(from_value::<SdmMetaReadKey>(json!(digits)).unwrap(), SdmMetaReadKey::from_bytes([0xA7; 16]));
    assert_eq!(from_value::<ApplicationKey>(json!(digits)).unwrap(), ApplicationKey::from_bytes([0xA7; 16]));
    assert_eq!(from_value::<ServerSecret>(json!(digits)).unwrap(), ServerSecret::from_bytes([0xA7; 16]));
    assert!(from_value::<MasterKey>(json!(digits)).is_ok() && from_value::<IssuerKey>(json!(digits)).is_ok());
    let ecode = ECode::from_bytes([0xA7; 16]);
    let text = ecode.to_text();
    assert_eq!(from_value::<ECode>(json!(core::str::from_utf8(&text).unwrap())).unwrap(), ecode);
    for wrong in ["A7".repeat(15), "A7".repeat(15) + "AZ"] {
        let error = from_value::<SdmFileReadKey>(json!(wrong)).unwrap_err().to_string();
        assert!(!error.contains("A7"), "{error}");
    }
    // Formats such as TOML look at the value first. The error must not repeat a key that was written without quotes.
    assert_hidden(11_223_344_u64);
    assert_hidden(11_223_344_i64);
    assert_hidden(0x0011_2233_4455_6677_8899_AABB_CCDD_EEFF_u128);
    assert_hidden(0x0011_2233_4455_6677_8899_AABB_CCDD_EEFF_i128);
    assert_hidden(11_223_344.5_f64);
}
