//! Recognises URLs of chips and schemes that have no SDMMAC.

use super::url_parts::path_start;

/// Recognises a scheme other than SDM by the parameters of the URL, and returns its name. Returns `None` if the
/// parameters fit no known scheme. `has_mac` is `true` if a part of the URL after a UID can be a MAC.
pub(super) fn name(url: &str, has_mac: bool) -> Option<&'static str> {
    let has = |name: &str| parameters(url).any(|(other, _)| other.eq_ignore_ascii_case(name));
    if has("pk1") && (has("rnd") || has("rndsig") || has("pk2")) {
        return Some("HaLo, which signs with ECDSA on the curve secp256k1");
    }
    // An NTAG 21x writes the UID, the letter `x` and the counter, without a MAC.
    let is_mirror = |value: &str| {
        let digits = |text: &str, count| text.len() == count && text.bytes().all(|byte| byte.is_ascii_hexdigit());
        value.split_once('x').is_some_and(|(uid, ctr)| digits(uid, 14) && digits(ctr, 6))
    };
    let has_mirror = !has_mac && parameters(url).any(|(_, value)| is_mirror(value));
    has_mirror.then_some("the UID and NFC counter mirror of an NTAG 21x, which has no MAC, so anybody can forge it")
}

/// Returns the name and the value of each parameter. A part without `=`, such as each segment of the path, has an empty
/// name.
fn parameters(url: &str) -> impl Iterator<Item = (&str, &str)> {
    let rest = url.get(path_start(url)..).unwrap_or_default();
    rest.split(['/', '?', '&', '#']).map(|part| part.split_once('=').unwrap_or(("", part)))
}
