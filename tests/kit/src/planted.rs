//! Secrets that a test plants, and the search for them in an output.

use std::collections::HashMap;

/// Consecutive bytes of a secret that no output may contain.
const RUN: usize = 6;

/// Planted secrets. The search ignores case, and takes any white space for one space, as `{:#?}` prints line breaks.
#[derive(Default)]
pub struct Planted {
    /// The spellings of each run of a secret, by their first bytes, with the name of the secret.
    runs: HashMap<[u8; 4], Vec<(Vec<u8>, String)>>,
}

impl Planted {
    /// Adds a secret. The bytes of a text, such as an API key, are its characters. The bytes must be unlikely in an output.
    #[must_use]
    pub fn with(mut self, name: &str, secret: impl AsRef<[u8]>) -> Self {
        assert!(secret.as_ref().len() >= RUN, "{name} is too short");
        for run in secret.as_ref().windows(RUN) {
            for spelling in spellings(run) {
                self.runs.entry(start(&spelling)).or_default().push((spelling, name.to_owned()));
            }
        }
        self
    }

    /// Returns the first secret of which six consecutive bytes are in an output, and the text around it.
    #[must_use]
    pub fn find(&self, output: impl AsRef<[u8]>) -> Option<(&str, String)> {
        let output = normalized(output.as_ref());
        (0..output.len()).find_map(|at| {
            let rest = &output[at..];
            let runs = self.runs.get(rest.get(..4)?)?;
            let (run, name) = runs.iter().find(|(run, _)| rest.starts_with(run))?;
            let around = &output[at.saturating_sub(80)..(at + run.len() + 80).min(output.len())];
            Some((&**name, String::from_utf8_lossy(around).into_owned()))
        })
    }

    /// Checks that an output contains no secret.
    ///
    /// # Panics
    /// Panics if it does.
    #[track_caller]
    pub fn assert_absent(&self, what: &str, output: impl AsRef<[u8]>) {
        if let Some((name, around)) = self.find(output) {
            panic!("{what}: {name} in …{around}…");
        }
    }
}

fn normalized(bytes: &[u8]) -> Vec<u8> {
    let mut text = Vec::with_capacity(bytes.len());
    for byte in bytes.to_ascii_lowercase() {
        let byte = if byte.is_ascii_whitespace() { b' ' } else { byte };
        if byte != b' ' || text.last() != Some(&b' ') {
            text.push(byte);
        }
    }
    text
}

fn start(bytes: &[u8]) -> [u8; 4] {
    [bytes[0], bytes[1], bytes[2], bytes[3]]
}

/// Returns the forms in which bytes may be printed, normalized: hexadecimal with several separators, decimal lists,
/// Base64 in both alphabets, and raw.
fn spellings(bytes: &[u8]) -> Vec<Vec<u8>> {
    let join = |each: fn(&u8) -> String, with: &str| bytes.iter().map(each).collect::<Vec<_>>().join(with);
    let base64 = |last: [u8; 2]| {
        let mut alphabet = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789".to_vec();
        alphabet.extend(last);
        let digits = |chunk: &[u8]| {
            let bits = chunk.iter().fold(0_u32, |bits, byte| bits << 8 | u32::from(*byte));
            [18, 12, 6, 0].map(|shift| char::from(alphabet[usize::try_from(bits >> shift & 0x3F).unwrap()]))
        };
        bytes.chunks_exact(3).flat_map(digits).collect::<String>()
    };
    let texts = [
        join(|byte| format!("{byte:02x}"), ""),
        join(|byte| format!("{byte:02x}"), ", "),
        join(|byte| format!("{byte:02x}"), " "),
        join(|byte| format!("{byte:02x}"), ":"),
        join(|byte| format!("{byte:#04x}"), ", "),
        join(ToString::to_string, ", "),
        join(ToString::to_string, ","),
        base64(*b"+/"),
        base64(*b"-_"),
        String::from_utf8_lossy(bytes).into_owned(),
    ];
    texts.iter().map(String::as_bytes).chain([bytes]).map(normalized).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The search finds each form of a secret, in either case, so a test that finds nothing proves something.
    #[test]
    fn each_spelling_is_found() {
        let secret = *b"\x91\xFEtaqk, pl\xFFnted";
        let planted = Planted::default().with("key", secret);
        let hex = base16ct::upper::encode_string(&secret);
        for text in [
            hex.to_lowercase(),
            format!("{secret:?}"),
            format!("{secret:02x?}"),
            format!("{secret:#?}"),
            format!("{secret:#04x?}"),
            String::from_utf8_lossy(&secret).into_owned(),
            // By Python's `base64`.
            "kf50YXFrLCBwbP9udGVk".into(),
            hex,
        ] {
            assert_eq!(planted.find(format!("<{text}>")).unwrap().0, "key", "{text}");
            assert!(planted.find(&text[..7]).is_none(), "{text}");
        }
        assert!(planted.find([b"<", &secret[..], b">"].concat()).is_some());
        assert!(planted.find("another text").is_none());
    }
}
