//! Who may see the page.

use std::sync::Arc;

use axum::Extension;
use axum::extract::{Request, State};
use axum::http::HeaderMap;
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};
use base64ct::{Base64, Encoding as _};
use clap::ValueEnum;
use zeroize::Zeroizing;

use super::problem::Problem;
use crate::admin::authenticate as find_manager;
use crate::http::Sender;
use crate::http::admin::AdminState;
use crate::http::admin::auth::{carry_out, closing, is_below_limit, other_role, single};
use crate::registry::document::{Manager, Role};

/// Who may see the operator's page.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum PageLogin {
    /// Who has a management key of the role read-only: it is the password (HTTP Basic), and the user name does not matter.
    #[default]
    Key,
    /// Also everybody whom a proxy named by --trusted-proxy lets in, or who can use the Unix socket. The proxy must log people in.
    Proxy,
    /// Nobody: there is no page.
    Off,
}

/// Finds out who reads the page. A key that can write is refused: a browser keeps it, and sends it with each request.
pub(super) async fn login(
    State(state): State<Arc<AdminState>>,
    Extension(sender): Extension<Sender>,
    request: Request,
    next: Next,
) -> Response {
    match reader(&state, &sender, request.headers()).await {
        Ok(manager) => carry_out(state, manager, &sender, request, next).await,
        Err(problem) => closing(problem.into_response()),
    }
}

async fn reader(state: &AdminState, sender: &Sender, headers: &HeaderMap) -> Result<Manager, Problem> {
    // Only its owner can use a Unix socket, whose clients have no address.
    let is_proxy = || sender.address.is_none_or(|address| state.app.trusted_proxies.has(address));
    if state.page == PageLogin::Proxy && is_proxy() {
        let (label, role) = ("proxy".into(), Role::ReadOnly);
        return Ok(Manager { label, role, organisation: None, expires: None, created: None, secret: None });
    }
    // A browser asks once without a key before it asks its user. That is no attempt.
    let Some(credentials) = basic(headers) else { return Err(Problem::sign_in()) };
    let password = credentials.iter().position(|byte| *byte == b':').and_then(|colon| credentials.get(colon..));
    let key = password.and_then(|password| password.strip_prefix(b":")).unwrap_or_default().trim_ascii();
    match find_manager(&state.app.store, &state.app.secrets(), key).await? {
        Some(manager) if manager.role == Role::ReadOnly => Ok(manager),
        Some(manager) => {
            other_role(sender, &manager);
            Err(Problem::other_role())
        }
        None if is_below_limit(state, sender) => Err(Problem::sign_in()),
        None => Err(Problem::too_many()),
    }
}

/// Returns the user name, a colon and the password. They are wiped after use.
fn basic(headers: &HeaderMap) -> Option<Zeroizing<Vec<u8>>> {
    let (scheme, credentials) = single(headers, "authorization")?.split_at_checked("Basic ".len())?;
    let text = std::str::from_utf8(credentials).ok()?.trim();
    scheme.eq_ignore_ascii_case(b"Basic ").then(|| Base64::decode_vec(text).unwrap_or_default()).map(Zeroizing::new)
}
