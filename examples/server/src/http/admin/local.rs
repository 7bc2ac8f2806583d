//! The admin API for a command that opens the store itself: the same routes without a listener.

use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::extract::Request;
use axum::response::Response;
use tower::ServiceExt as _;

use super::auth::Session;
use super::{AdminState, PageLogin, bare_routes};
use crate::admin::Actor;
use crate::app::App;
use crate::http::Brand;
use crate::registry::document::{Manager, Role};
use crate::secrets::Secrets;
use crate::store::Store;

/// The admin API over a store that this process has opened.
#[derive(Debug)]
pub struct LocalAdmin {
    state: Arc<AdminState>,
    router: Router,
}

impl LocalAdmin {
    /// Creates the API over a store.
    #[must_use]
    pub fn new(store: Store, secrets: Secrets) -> Self {
        let app = Arc::new(App::new(store, secrets, Brand::default()));
        let state = Arc::new(AdminState::new(app, Vec::new(), 0, PageLogin::Off));
        Self { router: bare_routes(Arc::clone(&state)), state }
    }

    /// Carries out a request with all rights: this process has the store and the secrets.
    pub async fn send(&self, mut request: Request<Body>) -> Response {
        let actor = Actor::command_line();
        let (label, role) = (actor.by.clone(), Role::ReadWrite);
        let manager = Manager { label, role, organisation: None, expires: None, created: None, secret: None };
        request.extensions_mut().insert(Session::new(Arc::clone(&self.state), manager, actor));
        match self.router.clone().oneshot(request).await {
            Ok(response) => response,
            Err(never) => match never {},
        }
    }

    /// Waits until the store has written what it accepted.
    pub async fn close(self) {
        let Self { state, router } = self;
        drop(router);
        if let Some(state) = Arc::into_inner(state)
            && let Some(app) = Arc::into_inner(state.app)
        {
            app.close().await;
        }
    }
}
