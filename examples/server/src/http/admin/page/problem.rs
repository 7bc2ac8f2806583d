//! Why the page cannot be shown.

use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use maud::{Markup, html};

use crate::admin::AdminError;
use crate::http::admin::error::ApiError;
use crate::store::StoreError;
use crate::text::escaped;

/// The answer to a request without a valid key.
const CHALLENGE: &str = r#"Basic realm="suntap", charset="UTF-8""#;

/// Why the page cannot be shown. The layer around the page writes it as a page.
#[derive(Clone, Debug)]
pub(super) struct Problem {
    status: StatusCode,
    title: &'static str,
    text: String,
    /// A command that helps, or a link.
    help: Help,
}

#[derive(Clone, Copy, Debug)]
enum Help {
    None,
    NewKey,
    Overview,
}

impl Problem {
    fn new(status: StatusCode, title: &'static str, text: impl Into<String>, help: Help) -> Self {
        Self { status, title, text: text.into(), help }
    }

    /// The request has no valid key.
    pub(super) fn sign_in() -> Self {
        let text = "The password is a management key that can only read. The user name does not matter.";
        Self::new(StatusCode::UNAUTHORIZED, "Sign in", text, Help::NewKey)
    }

    /// The key has another role. With another status, a browser would keep this key and not ask for another one.
    pub(super) fn other_role() -> Self {
        let text = "A browser keeps the key and sends it with each request. So this page accepts only keys that can do nothing but read.";
        Self::new(StatusCode::UNAUTHORIZED, "This key can do more than read", text, Help::NewKey)
    }

    /// The client has sent too many invalid keys.
    pub(super) fn too_many() -> Self {
        let text = "There were too many requests with an invalid key. Wait a minute, then reload this page.";
        Self::new(StatusCode::TOO_MANY_REQUESTS, "Wait a minute", text, Help::None)
    }

    pub(super) fn of_status(status: StatusCode) -> Self {
        let (title, text) = match status {
            StatusCode::BAD_REQUEST => ("Invalid address", "The address of this page cannot be read."),
            StatusCode::NOT_FOUND => ("Not found", "There is no page with this address."),
            StatusCode::METHOD_NOT_ALLOWED => ("Read only", "This page can only be read."),
            StatusCode::REQUEST_TIMEOUT => {
                ("No answer in time", "The store is slow. Wait a moment, then reload this page.")
            }
            StatusCode::SERVICE_UNAVAILABLE => ("The server ends", "Wait a moment, then reload this page."),
            _ => ("The server has a defect", "The log of the server has the cause."),
        };
        Self::new(status, title, text, Help::Overview)
    }

    pub(super) fn title(&self) -> &'static str {
        self.title
    }

    pub(super) fn markup(&self) -> Markup {
        html! {
            h1 { (self.title) }
            p { (self.text) }
            @match self.help {
                Help::None => {}
                Help::NewKey => p.soft { "A new key: " code { "suntap-server manager new --label NAME --role read-only" } },
                Help::Overview => p.actions { a.button href="/" { "To the overview" } },
            }
        }
    }
}

impl From<AdminError> for Problem {
    fn from(error: AdminError) -> Self {
        match error {
            AdminError::Missing(message) => {
                Self::new(StatusCode::NOT_FOUND, "Not found", sentence(&message), Help::Overview)
            }
            AdminError::Invalid(message) => {
                Self::new(StatusCode::BAD_REQUEST, "Invalid address", sentence(&message), Help::Overview)
            }
            AdminError::Store(error) => error.into(),
            // Only writes have these errors.
            AdminError::Refused { .. } | AdminError::NoRandomBytes(_) | AdminError::Import(_) => {
                Self::of_status(StatusCode::INTERNAL_SERVER_ERROR)
            }
        }
    }
}

impl From<StoreError> for Problem {
    fn from(error: StoreError) -> Self {
        // The text of the error can have an address or the name of a user.
        tracing::error!(%error, "the page of the operator failed");
        let text = "The log of the server has the cause.";
        Self::new(StatusCode::SERVICE_UNAVAILABLE, "The store does not answer", text, Help::Overview)
    }
}

impl From<ApiError> for Problem {
    fn from(error: ApiError) -> Self {
        match error {
            ApiError::Admin(error) => error.into(),
            ApiError::Http(status, "cross_origin", _) => {
                let text = "Another web page has led here. To be sure that it was you, open the page from here.";
                Self::new(status, "Opened from another page", text, Help::Overview)
            }
            ApiError::Http(status, _, message) => Self::new(status, "Not allowed", sentence(&message), Help::None),
        }
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let mut response = self.status.into_response();
        if self.status == StatusCode::UNAUTHORIZED {
            response.headers_mut().insert(header::WWW_AUTHENTICATE, HeaderValue::from_static(CHALLENGE));
        }
        response.extensions_mut().insert(self);
        response
    }
}

/// Returns an error message as a sentence.
fn sentence(message: &str) -> String {
    let message = escaped(message);
    let mut rest = message.chars();
    let first = rest.next().map(|first| first.to_uppercase().to_string()).unwrap_or_default();
    format!("{first}{}.", rest.as_str())
}
