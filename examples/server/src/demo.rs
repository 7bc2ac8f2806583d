//! Emulated tags, for a visitor without a tag.
//!
//! Each start makes new keys, so a tap of one demonstration is not valid in another one.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::Context as _;
use axum::Extension;
use axum::extract::{Form, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse as _, Response};
use axum::routing::post;
use maud::{Markup, html};
use serde::Deserialize;
use serde_json::{Value, json};
use suntap::emulator::EmulatedTag;
use suntap::kdf::ecode::ECode;
use suntap::{Scheme, SdmFileReadKey, SdmLayout, SdmMetaReadKey, TagTexts, Uid};

use crate::app::App;
use crate::http::{Sender, page};
use crate::import::{Allowed, import};
use crate::ops::metrics::Api;
use crate::registry::document::{ApiKey, KeyKind};
use crate::secrets::{Secrets, random};
use crate::store::Store;
use crate::time::now;
use crate::{hex, keys};

const ORGANISATION: u64 = 1;

/// The emulated tags of a demonstration.
#[derive(Debug)]
pub struct Demo {
    tags: Vec<DemoTag>,
    api_key: String,
    origin: String,
}

#[derive(Debug)]
struct DemoTag {
    /// The name of the tag in forms.
    slug: &'static str,
    name: &'static str,
    api: Api,
    tag: Mutex<EmulatedTag>,
}

impl Demo {
    /// Imports an organisation and its tags into a store.
    ///
    /// # Errors
    /// Returns an error if the store fails.
    pub async fn seed(store: &Store, secrets: &'static Secrets, origin: &str) -> anyhow::Result<Self> {
        let layouts = [
            format!("{origin}/tap?x={{:xuid}}&n={{ctr}}&e={{mac}}"),
            format!("{origin}/tap?id={{:tagId}}&k={{:eCode}}&e={{picc:uid,ctr}}&c={{mac}}"),
            format!("{origin}/tap?id={{:tagId}}&k={{:eCode}}&e={{picc:uid,ctr}}&t=[[{{enc:32,tt@0}}{{mac}}"),
        ];
        let [shoes, spirits, sealed] = &layouts;
        let rules = json!({ "groups": [{ "rules": ["authentication"], "response": "Pass" }], "default": "Fail" });
        let mut lines = vec![
            json!({ "organisation": { "id": ORGANISATION, "name": "Demonstration", "account": "demo00" } }),
            json!({ "folder": { "organisation": ORGANISATION, "path": "Demo" } }),
            json!({ "tagGroup": { "organisation": ORGANISATION, "path": "Demo/Shoes", "layout": { "template": shoes },
                "rules": rules } }),
            json!({ "batch": { "organisation": ORGANISATION, "path": "Demo/Shoes/May" } }),
            json!({ "batch": { "organisation": ORGANISATION, "path": "Demo/Shoes/June", "state": "inactive" } }),
            json!({ "tagGroup": { "organisation": ORGANISATION, "path": "Demo/Spirits", "layout": { "template": spirits } } }),
            json!({ "batch": { "organisation": ORGANISATION, "path": "Demo/Spirits/May" } }),
        ];
        let mut demo = Self { tags: Vec::new(), api_key: String::new(), origin: origin.into() };

        let metadata = json!({ "sku": "B-1002", "bottled": 2021 });
        let wanted = [
            (
                "shoe",
                "Left shoe",
                Api::Ixkio,
                "q8w3sbcz",
                shoes,
                json!({ "xuid": "q8w3sbcz", "cuid": "SHOE-0042",
                "batch": "Demo/Shoes/May" }),
            ),
            (
                "other",
                "Right shoe, batch switched off",
                Api::Ixkio,
                "r9x4tcda",
                shoes,
                json!({ "xuid": "r9x4tcda",
                "batch": "Demo/Shoes/June" }),
            ),
            (
                "gin",
                "Gin",
                Api::Etrnl,
                "1001",
                spirits,
                json!({ "number": 1001, "batch": "Demo/Spirits/May",
                "metadata": { "sku": "G-0071", "bottled": 2024 } }),
            ),
            (
                "whisky",
                "Whisky with a seal",
                Api::Etrnl,
                "1002",
                sealed,
                json!({ "number": 1002,
                "batch": "Demo/Spirits/May", "layout": { "template": sealed }, "tamper": true, "metadata": metadata }),
            ),
        ];
        for (slug, name, api, text, template, mut line) in wanted {
            let (tag, keys) = personalise(template, text)?;
            let fields = line.as_object_mut().context("a tag is an object")?;
            fields.insert("organisation".into(), ORGANISATION.into());
            fields.insert("name".into(), name.into());
            fields.insert("uid".into(), tag.uid().to_string().into());
            fields.insert("keys".into(), json!({ "plain": keys }));
            lines.push(json!({ "tag": line }));
            demo.tags.push(DemoTag { slug, name, api, tag: Mutex::new(tag) });
        }
        let text: String = lines.iter().flat_map(|line| [line.to_string(), "\n".into()]).collect();
        import(store, secrets, &text, Allowed::default(), |_| ()).await?;
        let key =
            ApiKey { organisation: ORGANISATION, kind: KeyKind::Private, label: None, secret: None, expires: None };
        demo.api_key = keys::create(store, secrets, &key).await?.text;
        Ok(demo)
    }

    fn tag(&self, slug: &str) -> Option<&DemoTag> {
        self.tags.iter().find(|tag| tag.slug == slug)
    }

    /// Returns a `curl` line for each API, with a new tap.
    ///
    /// # Errors
    /// Returns an error if the counter of a tag has reached its limit.
    pub fn curl_lines(&self) -> anyhow::Result<[String; 2]> {
        let line = |slug| {
            let tag = self.tag(slug).with_context(|| format!("missing tag {slug}"))?;
            Ok::<_, anyhow::Error>(
                Asked::new(self, tag.api, &tag.tap()?).context("the URL of the tag is invalid")?.curl(self),
            )
        };
        Ok([line("shoe")?, line("gin")?])
    }
}

impl DemoTag {
    fn tap(&self) -> anyhow::Result<String> {
        let mut tag = self.tag.lock().unwrap_or_else(PoisonError::into_inner);
        Ok(tag.tap()?.to_string())
    }
}

/// Creates a tag with random keys. Returns the tag, and its keys for the import.
fn personalise(template: &str, text: &str) -> anyhow::Result<(EmulatedTag, Value)> {
    let layout = SdmLayout::new(Scheme::Aes, template)?;
    let code = ECode::from_bytes(random()?);
    let mut uid = random::<7>()?;
    if let Some(maker) = uid.first_mut() {
        *maker = 0x04;
    }
    let uid = Uid::from_bytes(uid);
    let (meta, file) = (random::<16>()?, random::<16>()?);
    let code = String::from_utf8(code.to_text().to_vec())?;
    let named: Vec<_> = layout.names().map(|name| (name, if name == "eCode" { &*code } else { text })).collect();
    let texts = TagTexts { captured: &named, ..TagTexts::default() };
    let (meta_key, file_key) = (SdmMetaReadKey::from_bytes(meta), SdmFileReadKey::from_bytes(file));
    let tag = EmulatedTag::new(&layout, &texts, meta_key, file_key, uid)?.with_seed(random()?);
    let mut keys = json!({ "file": hex::encode(&file) });
    if let (true, Some(fields)) = (template.contains("{picc"), keys.as_object_mut()) {
        fields.insert("meta".into(), hex::encode(&meta).into());
        fields.insert("eCode".into(), code.into());
    }
    Ok((tag, keys))
}

/// A tap as a client sends it to an API.
enum Asked {
    Ixkio { query: String },
    Etrnl { body: String },
}

impl Asked {
    /// Creates the request with the URL that a tag wrote. Returns `None` if no tag of the demonstration writes such a URL.
    fn new(demo: &Demo, api: Api, url: &str) -> Option<Self> {
        let query = url.strip_prefix(&*demo.origin)?.strip_prefix("/tap?")?;
        if !query.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'=' | b'&' | b'-' | b'_')) {
            return None;
        }
        if api == Api::Ixkio {
            return Some(Self::Ixkio { query: query.into() });
        }
        let values: HashMap<_, _> = query.split('&').filter_map(|pair| pair.split_once('=')).collect();
        let mut body = serde_json::Map::new();
        for (name, of_url) in [("tagId", "id"), ("enc", "e"), ("cmac", "c"), ("tt", "t"), ("eCode", "k")] {
            let value = values.get(of_url).map(|text| match text.parse::<u64>() {
                Ok(number) if name == "tagId" => Value::from(number),
                _ => Value::from(*text),
            });
            body.extend(value.map(|value| (name.to_owned(), value)));
        }
        Some(Self::Etrnl { body: Value::from(body).to_string() })
    }

    fn curl(&self, demo: &Demo) -> String {
        let (origin, key) = (&demo.origin, &demo.api_key);
        match self {
            Self::Ixkio { query } => format!("curl '{origin}/v1/t?{query}'"),
            Self::Etrnl { body } => format!(
                "curl -H 'API-Key: {key}' -H 'Content-Type: application/json' -d '{body}' '{origin}/v1/tags/verify-authenticity'"
            ),
        }
    }
}

/// Returns the routes of the demonstration.
pub(crate) fn routes() -> axum::Router<Arc<App>> {
    axum::Router::new().route("/demo/tap", post(tap)).route("/demo/seal", post(seal)).route("/demo/ask", post(ask))
}

#[derive(Deserialize)]
struct Which {
    tag: String,
}

#[derive(Deserialize)]
struct Tap {
    tag: String,
    url: String,
}

/// Returns the list of the tags, for the first page.
pub(crate) fn home(demo: &Demo) -> Markup {
    html! {
        p { "These tags are emulated. Tap one, and see the answer of the service." }
        @for tag in &demo.tags {
            section {
                h2 { (tag.name) }
                p.soft { "a tag of " (service(tag.api)) }
                (button("/demo/tap", tag.slug, None, "Tap the tag", true))
                @if tag.slug == "whisky" { (button("/demo/seal", tag.slug, None, "Break the seal", false)) }
            }
        }
    }
}

fn service(api: Api) -> &'static str {
    if api == Api::Ixkio { "ixkio" } else { "ETRNL" }
}

fn button(action: &str, tag: &str, url: Option<&str>, text: &str, first: bool) -> Markup {
    html! {
        form method="post" action=(action) {
            input type="hidden" name="tag" value=(tag);
            @if let Some(url) = url { input type="hidden" name="url" value=(url); }
            button.first[first] type="submit" { (text) }
        }
    }
}

/// Returns the buttons for a URL that a tag wrote.
fn choices(demo: &Demo, tag: &DemoTag, url: &str, send: &str) -> Markup {
    let path = url.strip_prefix(&*demo.origin).unwrap_or("/");
    html! {
        p { a.button href=(path) { "Open it, as a phone does" } }
        p {
            (button("/demo/ask", tag.slug, Some(url), send, true))
            (button("/demo/ask", tag.slug, Some(&forged(url)), "Send it with a digit changed", false))
        }
        section {
            (button("/demo/tap", tag.slug, None, "Tap the tag again", false))
            @if tag.slug == "whisky" { (button("/demo/seal", tag.slug, None, "Break the seal", false)) }
            p { a href="/" { "All tags" } }
        }
    }
}

/// Returns the URL with another last digit.
fn forged(url: &str) -> String {
    let mut forged = url.to_owned();
    let last = forged.pop();
    forged.push(if last == Some('0') { '1' } else { '0' });
    forged
}

async fn tap(State(app): State<Arc<App>>, Form(which): Form<Which>) -> Response {
    let Some((demo, tag)) = chosen(&app, &which.tag) else { return StatusCode::NOT_FOUND.into_response() };
    let Ok(url) = tag.tap() else { return StatusCode::GONE.into_response() };
    let body = html! {
        h1 { (tag.name) }
        p { "The tag wrote this URL. It is valid once:" }
        pre { (url) }
        (choices(demo, tag, &url, "Send it to the API"))
    };
    page::html(&page::document(tag.name, &body))
}

async fn seal(State(app): State<Arc<App>>, Form(which): Form<Which>) -> Response {
    let Some((_, tag)) = chosen(&app, &which.tag) else { return StatusCode::NOT_FOUND.into_response() };
    tag.tag.lock().unwrap_or_else(PoisonError::into_inner).open_seal();
    let body = html! {
        h1 { (tag.name) }
        p { "The seal is broken. The chip stores this permanently." }
        (button("/demo/tap", tag.slug, None, "Tap the tag", true))
        p { a href="/" { "All tags" } }
    };
    page::html(&page::document(tag.name, &body))
}

async fn ask(State(app): State<Arc<App>>, Extension(sender): Extension<Sender>, Form(asked): Form<Tap>) -> Response {
    let Some((demo, tag)) = chosen(&app, &asked.tag) else { return StatusCode::NOT_FOUND.into_response() };
    let Some(request) = Asked::new(demo, tag.api, &asked.url) else {
        return StatusCode::BAD_REQUEST.into_response();
    };
    let registry = app.registry();
    let mut recording = app.record(tag.api, &registry, &sender);
    let answer = match &request {
        Asked::Ixkio { query } => app.ixkio.answer_async(query, &registry, &mut recording, now()).await,
        Asked::Etrnl { body } => {
            let key = Some(demo.api_key.as_bytes());
            app.etrnl.answer_async(key, body.as_bytes(), &registry, &mut recording, now()).await
        }
    };
    recording.note(&answer.verdict);
    let body = html! {
        h1 { (tag.name) }
        p { "The request of a client of " (service(tag.api)) ":" }
        pre { (request.curl(demo)) }
        p { "The answer, status " (answer.status) ":" }
        pre role="status" { (answer.body) }
        (choices(demo, tag, &asked.url, "Send the same again"))
    };
    page::html(&page::document(tag.name, &body))
}

fn chosen<'a>(app: &'a App, slug: &str) -> Option<(&'a Demo, &'a DemoTag)> {
    let demo = app.demo.as_ref()?;
    Some((demo, demo.tag(slug)?))
}
