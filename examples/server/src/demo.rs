//! Emulated tags, for a visitor without a tag.
//!
//! Each start makes new keys, so a tap of one demo is not valid in another one. A visitor taps a tag, and the server decides once. It keeps
//! the decision, so that all pages about the tap show the same verdict.

mod art;
mod asked;
mod checks;
mod decision;
mod kept;
mod link;
mod routes;
mod secure;
mod tags;
mod view;

use std::fmt;
use std::sync::Mutex;

use anyhow::Context as _;
use serde_json::{Value, json};

use self::asked::Asked;
use self::decision::Decision;
use self::kept::Kept;
pub(crate) use self::routes::{routes, start};
use self::secure::Session;
use self::tags::{Chip, SHOES, SPIRITS, TAGS, TagOfDemo, personalise};
use crate::import::{Allowed, import};
use crate::keys;
use crate::registry::document::{ApiKey, KeyKind};
use crate::secrets::Secrets;
use crate::store::Store;

const ORGANISATION: u64 = 1;

/// The emulated tags of a demo, and the last decisions.
pub struct Demo {
    tags: Vec<(&'static TagOfDemo, Mutex<Chip>)>,
    api_key: String,
    origin: String,
    decisions: Kept<Decision>,
    sessions: Kept<Session>,
}

impl Demo {
    /// Imports an organisation and its tags into a store.
    ///
    /// # Errors
    /// Returns an error if the store fails.
    pub async fn seed(store: &Store, secrets: &Secrets, origin: &str) -> anyhow::Result<Self> {
        let layout = |path| json!({ "template": format!("{origin}{path}") });
        let rules = json!({ "groups": [{ "rules": ["authentication"], "response": "Pass" }], "default": "Fail" });
        let mut lines = vec![
            json!({ "organisation": { "id": ORGANISATION, "name": "Demonstration", "account": "demo00" } }),
            json!({ "folder": { "organisation": ORGANISATION, "path": "Demo" } }),
            json!({ "tagGroup": { "organisation": ORGANISATION, "path": "Demo/Shoes", "layout": layout(SHOES), "rules": rules } }),
            json!({ "batch": { "organisation": ORGANISATION, "path": "Demo/Shoes/May" } }),
            json!({ "batch": { "organisation": ORGANISATION, "path": "Demo/Shoes/June", "state": "inactive" } }),
            json!({ "tagGroup": { "organisation": ORGANISATION, "path": "Demo/Spirits", "layout": layout(SPIRITS), "rules": rules } }),
            json!({ "batch": { "organisation": ORGANISATION, "path": "Demo/Spirits/May" } }),
            json!({ "tagGroup": { "organisation": ORGANISATION, "path": "Demo/Tickets", "layout": layout(SHOES), "rules": rules, "twoTaps": true } }),
            json!({ "batch": { "organisation": ORGANISATION, "path": "Demo/Tickets/May" } }),
        ];
        let mut tags = Vec::new();
        for tag in &TAGS {
            let template = format!("{origin}{}", tag.path);
            let (emulated, keys) = personalise(&template, tag.text)?;
            if let Some(fields) = tag.fields {
                let mut line: Value = serde_json::from_str(fields)?;
                let fields = line.as_object_mut().context("a tag is an object")?;
                fields.insert("organisation".into(), ORGANISATION.into());
                fields.insert("uid".into(), emulated.uid().to_string().into());
                fields.insert("layout".into(), json!({ "template": template }));
                fields.insert("keys".into(), json!({ "plain": keys }));
                lines.push(json!({ "tag": line }));
            }
            tags.push((tag, Mutex::new(Chip::new(emulated))));
        }
        let text: String = lines.iter().flat_map(|line| [line.to_string(), "\n".into()]).collect();
        import(store, secrets, &text, Allowed::default(), |_| ()).await?;
        let key =
            ApiKey { organisation: ORGANISATION, kind: KeyKind::Private, label: None, secret: None, expires: None };
        let api_key = keys::create(store, secrets, &key).await?.text;
        Ok(Self { tags, api_key, origin: origin.into(), decisions: Kept::default(), sessions: Kept::default() })
    }

    /// Returns a `curl` line for each API, with a new tap.
    ///
    /// # Errors
    /// Returns an error if the counter of a tag has reached its limit.
    pub fn curl_lines(&self) -> anyhow::Result<[String; 2]> {
        let line = |slug| {
            let (tag, chip) = self.tag(slug).with_context(|| format!("missing tag {slug}"))?;
            let url = tags::lock(chip).tap()?;
            Ok::<_, anyhow::Error>(Asked::new(self, tag.api, &url).context("the URL of the tag is invalid")?.curl(self))
        };
        Ok([line("shoe")?, line("gin")?])
    }

    /// Returns the tag with a name in forms.
    fn tag(&self, slug: &str) -> Option<(&'static TagOfDemo, &Mutex<Chip>)> {
        self.tags.iter().find(|(tag, _)| tag.slug == slug).map(|(tag, chip)| (*tag, chip))
    }
}

impl fmt::Debug for Demo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Demo").field("origin", &self.origin).finish_non_exhaustive()
    }
}
