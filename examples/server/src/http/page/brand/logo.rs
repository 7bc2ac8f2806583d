//! The logo: an SVG or PNG file that is part of each page.

use std::fs::File;
use std::io::{Cursor, Read as _};
use std::path::Path;

use anyhow::{Context as _, bail, ensure};
use base64ct::Encoding as _;
use roxmltree::{Attribute, Document, Node};

/// The greatest size of the file in bytes. Each page contains the logo.
const MAX_SIZE: usize = 32 * 1024;
/// The greatest width and height of a PNG in pixels.
const MAX_PIXELS: u32 = 1024;
const PNG: &[u8] = b"\x89PNG\r\n\x1a\n";
const SVG: &str = "http://www.w3.org/2000/svg";
/// The elements that a logo can have. None of them loads or runs anything.
const ELEMENTS: [&str; 18] = [
    "svg",
    "g",
    "defs",
    "title",
    "desc",
    "path",
    "rect",
    "circle",
    "ellipse",
    "line",
    "polyline",
    "polygon",
    "linearGradient",
    "radialGradient",
    "stop",
    "clipPath",
    "mask",
    "text",
];

/// A logo.
#[derive(Debug)]
pub struct Logo {
    uri: String,
}

impl Logo {
    /// Reads a file.
    ///
    /// # Errors
    /// Returns an error if the file cannot be read, or if [`parse`](Self::parse) fails.
    pub fn read(path: &Path) -> anyhow::Result<Self> {
        let mut bytes = Vec::new();
        // One byte more shows that the file is too large.
        let limit = u64::try_from(MAX_SIZE)?.saturating_add(1);
        File::open(path)?.take(limit).read_to_end(&mut bytes)?;
        Self::parse(&bytes)
    }

    /// Checks the content of a file.
    ///
    /// # Errors
    /// Returns an error if the file has more than 32 KiB, or if it is neither a PNG of at most 1,024 × 1,024 pixels nor an SVG without
    /// scripts, styles and references to other files.
    pub fn parse(bytes: &[u8]) -> anyhow::Result<Self> {
        ensure!(bytes.len() <= MAX_SIZE, "a logo must have at most {MAX_SIZE} bytes");
        let kind = if bytes.starts_with(PNG) {
            check_png(bytes).context("invalid PNG")?;
            "png"
        } else {
            let text = std::str::from_utf8(bytes).ok().filter(|text| text.trim_start().starts_with('<'));
            check_svg(text.context("a logo must be an SVG or PNG file")?).context("invalid SVG")?;
            "svg+xml"
        };
        Ok(Self { uri: format!("data:image/{kind};base64,{}", base64ct::Base64::encode_string(bytes)) })
    }

    /// Returns the URI that contains the whole logo.
    pub(super) fn uri(&self) -> &str {
        &self.uri
    }
}

fn check_png(bytes: &[u8]) -> anyhow::Result<()> {
    let mut reader = png::Decoder::new(Cursor::new(bytes)).read_info()?;
    let (width, height) = reader.info().size();
    ensure!(
        width.max(height) <= MAX_PIXELS,
        "the picture must have at most {MAX_PIXELS} × {MAX_PIXELS} pixels, got {width} × {height}"
    );
    // A truncated file would be a broken picture on each page.
    while reader.next_row()?.is_some() {}
    Ok(())
}

fn check_svg(text: &str) -> anyhow::Result<()> {
    // This does not read a DTD, so no entity can expand.
    let document = Document::parse(text)?;
    let root = document.root_element();
    ensure!(root.has_tag_name((SVG, "svg")), "the root element must be svg in the namespace {SVG}");
    ensure!(
        root.has_attribute("viewBox") || (root.has_attribute("width") && root.has_attribute("height")),
        "the svg element must have a viewBox, or a width and a height"
    );
    for node in document.descendants() {
        // Such an instruction can name a style sheet.
        ensure!(!node.is_pi(), "processing instructions are not allowed");
        if node.is_element() {
            check_element(node)?;
        }
    }
    Ok(())
}

fn check_element(node: Node<'_, '_>) -> anyhow::Result<()> {
    let name = node.tag_name();
    let is_known = name.namespace() == Some(SVG) && ELEMENTS.contains(&name.name());
    ensure!(is_known, "the element {} is not allowed, only: {}", name.name(), ELEMENTS.join(" "));
    for attribute in node.attributes() {
        check_attribute(attribute).with_context(|| format!("attribute {}", attribute.name()))?;
    }
    Ok(())
}

fn check_attribute(attribute: Attribute<'_, '_>) -> anyhow::Result<()> {
    let (name, value) = (attribute.name().to_ascii_lowercase(), attribute.value().trim().to_ascii_lowercase());
    ensure!(!name.starts_with("on"), "event handlers are not allowed");
    if name == "href" || name == "src" {
        ensure!(value.starts_with('#'), "references must be to the same file, such as #shape");
    }
    // In CSS, an escape can spell `url`, and other functions load files too.
    if value.contains(['\\', '@']) || value.contains("image(") || value.contains("image-set(") || value.contains("src(")
    {
        bail!("only url(#…) is allowed");
    }
    for reference in value.split("url(").skip(1) {
        ensure!(reference.trim_start_matches(['"', '\'', ' ']).starts_with('#'), "only url(#…) is allowed");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEAD: &str =
        r#"<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink" viewBox="0 0 9 9">"#;

    fn cause(bytes: &[u8]) -> String {
        format!("{:#}", Logo::parse(bytes).unwrap_err())
    }

    fn png(width: u32, height: u32) -> Vec<u8> {
        let mut bytes = Vec::new();
        let mut encoder = png::Encoder::new(&mut bytes, width, height);
        encoder.set_color(png::ColorType::Grayscale);
        let pixels = vec![7; usize::try_from(width).unwrap().saturating_mul(usize::try_from(height).unwrap())];
        encoder.write_header().unwrap().write_image_data(&pixels).unwrap();
        bytes
    }

    #[test]
    fn drawings_are_accepted() {
        for inner in [
            "",
            r##"<title>A &amp; B</title><defs><linearGradient id="a"><stop offset="1" stop-color="#f00"/></linearGradient></defs>
                <g fill="url(#a)"><path d="M0 0H9V9Z" style="stroke:red"/></g><!-- a comment -->"##,
            r##"<radialGradient id="b" xlink:href="#a"/><rect width="9" height="9" fill="url('#b')"/><text>Acme</text>"##,
        ] {
            let svg = format!("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n{HEAD}{inner}</svg>\n");
            let logo = Logo::parse(svg.as_bytes()).unwrap();
            assert!(logo.uri().starts_with("data:image/svg+xml;base64,"));
        }
        assert!(Logo::parse(&png(1024, 16)).unwrap().uri().starts_with("data:image/png;base64,"));
    }

    #[test]
    fn what_loads_or_runs_something_is_refused() {
        for (inner, expected) in [
            ("<script>1</script>", "element script"),
            (r#"<h:script xmlns:h="http://www.w3.org/1999/xhtml">1</h:script>"#, "element script"),
            ("<style>@import 'https://x.example/a.css'</style>", "element style"),
            (r#"<image href="https://x.example/a.png"/>"#, "element image"),
            (r##"<use href="#a"/>"##, "element use"),
            ("<foreignObject/>", "element foreignObject"),
            (r#"<a href="https://x.example"/>"#, "element a"),
            (r#"<animate attributeName="href"/>"#, "element animate"),
            (r#"<path onclick="1"/>"#, "event handlers"),
            (r#"<path ONLOAD="1"/>"#, "event handlers"),
            (r#"<path fill="url(https://x.example/a.svg#b)"/>"#, "only url(#…)"),
            (r#"<path style="fill: URL( 'data:x' )"/>"#, "only url(#…)"),
            (r#"<path style="fill: \75rl(https://x.example)"/>"#, "only url(#…)"),
            (r#"<path style="mask: image-set('https://x.example')"/>"#, "only url(#…)"),
            (r#"<linearGradient href="other.svg#a"/>"#, "same file"),
            (r#"<linearGradient xlink:href="https://x.example/#a"/>"#, "same file"),
            ("<?xml-stylesheet href=\"https://x.example/a.css\"?>", "processing instructions"),
            ("<g>", "invalid SVG"),
        ] {
            let svg = format!("{HEAD}{inner}</svg>");
            let cause = cause(svg.as_bytes());
            assert!(cause.contains(expected), "{inner}: {cause}");
        }
        for (file, expected) in [
            ("", "SVG or PNG"),
            ("GIF89a", "SVG or PNG"),
            ("<html></html>", "root element"),
            ("<svg viewBox=\"0 0 9 9\"></svg>", "namespace"),
            (r#"<svg xmlns="http://www.w3.org/2000/svg"/>"#, "viewBox"),
            (r#"<!DOCTYPE svg [<!ENTITY a "b">]><svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 9 9"/>"#, "DTD"),
        ] {
            let cause = cause(file.as_bytes());
            assert!(cause.contains(expected), "{file}: {cause}");
        }
        assert!(cause(&vec![b' '; MAX_SIZE + 1]).contains("32768 bytes"));
    }

    #[test]
    fn a_broken_or_huge_picture_is_refused() {
        let good = png(64, 64);
        for length in [8, 20, 40, good.len() - 20] {
            assert!(cause(&good[..length]).contains("invalid PNG"), "{length}");
        }
        assert!(cause(&png(1025, 1)).contains("1024 × 1024 pixels, got 1025 × 1"));
    }
}
