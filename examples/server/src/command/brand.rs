//! The options of the brand.

use std::path::PathBuf;

use anyhow::Context as _;
use suntap_server::http::{Brand, Colour, Logo};

#[derive(clap::Args)]
#[allow(clippy::struct_field_names, reason = "clap makes the flags from the names")]
pub(crate) struct BrandArgs {
    /// The name at the top of each page.
    #[arg(long, env = "SUNTAP_BRAND_NAME", default_value = Brand::NAME)]
    brand_name: String,
    /// A PNG or SVG file beside the name, at most 32 KiB. It is shown on white and on a dark ground. An SVG must not have scripts, style
    /// elements or references to other files.
    #[arg(long, env = "SUNTAP_BRAND_LOGO", value_name = "FILE")]
    brand_logo: Option<PathBuf>,
    /// The colour of buttons and of the default logo, such as `#2449c9`. It never colours a verdict.
    #[arg(long, env = "SUNTAP_BRAND_ACCENT", value_name = "COLOUR")]
    brand_accent: Option<Colour>,
    /// The same colour on a dark ground. By default, it is that of --brand-accent.
    #[arg(long, env = "SUNTAP_BRAND_ACCENT_DARK", value_name = "COLOUR")]
    brand_accent_dark: Option<Colour>,
}

impl BrandArgs {
    /// Reads and checks the brand.
    pub(crate) fn brand(&self) -> anyhow::Result<Brand> {
        let logo = match &self.brand_logo {
            Some(path) => Some(Logo::read(path).with_context(|| format!("--brand-logo {}", path.display()))?),
            None => None,
        };
        let light = self.brand_accent.unwrap_or(Brand::ACCENT);
        let dark = self.brand_accent_dark.or(self.brand_accent).unwrap_or(Brand::ACCENT_DARK);
        Brand::new(&self.brand_name, logo, light, dark).context("--brand-name")
    }
}
