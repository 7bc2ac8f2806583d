//! The OpenAPI document, which is made from the routes.

use std::sync::Arc;

use axum::Extension;
use axum::http::header;
use axum::response::IntoResponse;
use utoipa::openapi::path::Operation;
use utoipa::openapi::security::{ApiKey, ApiKeyValue, HttpAuthScheme, HttpBuilder, SecurityScheme};
use utoipa::openapi::{self, Content, Ref, RefOr, ResponseBuilder};
use utoipa::{Modify, OpenApi};

use super::Session;
use super::model::ErrorBody;
use crate::http::JSON;

/// The text of the document.
#[derive(Clone, Debug)]
pub(super) struct Document(pub(super) Arc<str>);

/// Show this document.
#[utoipa::path(get, path = "/admin/v1/openapi.json", tag = "openapi",
    responses((status = 200, body = serde_json::Value)))]
pub(super) async fn document(_: Session, Extension(Document(text)): Extension<Document>) -> impl IntoResponse {
    ([(header::CONTENT_TYPE, JSON)], String::from(&*text))
}

#[derive(OpenApi)]
#[openapi(
    info(
        title = "suntap-server administration",
        description = "The private API of an operator. `GET` needs a management key with the role `readOnly` or `readWrite`, \
            every other method and the paths `/backup` and `/export` need `readWrite`. The role `patch` is only for the paths under \
            `/v1/`, which also accept `readWrite`. The paths under `/v1/` are the call of the vendor ixkio, as far as it is documented."
    ),
    components(schemas(ErrorBody)),
    security(("managementKey" = [])),
    modifiers(&Security)
)]
struct Common;

struct Security;

impl Modify for Security {
    fn modify(&self, openapi: &mut openapi::OpenApi) {
        let bearer = HttpBuilder::new().scheme(HttpAuthScheme::Bearer).bearer_format("management_ and 32 hex digits");
        let components = openapi.components.get_or_insert_default();
        components.add_security_scheme("managementKey", SecurityScheme::Http(bearer.build()));
        let header = ApiKey::Header(ApiKeyValue::new("X-API-Key"));
        components.add_security_scheme("vendorKey", SecurityScheme::ApiKey(header));
    }
}

/// The errors that every route can have.
const ERRORS: [(&str, &str); 9] = [
    ("400", "`invalid_request`, `bad_request`: the request is invalid"),
    ("401", "`unauthorized`: the management key is missing, unknown or expired"),
    ("403", "`forbidden`, `cross_origin`, `unknown_host`: the role or the origin of the request does not allow it"),
    ("404", "`not_found`: there is no such object or path"),
    (
        "409",
        "`contended`, `busy`, `not_empty`, `last_manager`, `label_in_use`, `counter_unknown`, `list_changed`: not in the present state",
    ),
    ("413", "`body_too_large`"),
    ("415", "`content_type`: the media type of the body is wrong"),
    ("429", "`too_many_requests`: too many requests with an invalid key"),
    ("503", "`store_failed`, `incomplete`: the store failed"),
];

/// Returns the document for these routes.
pub(super) fn text(routes: openapi::OpenApi) -> String {
    let mut document = Common::openapi();
    document.merge(routes);
    for item in document.paths.paths.values_mut() {
        let operations = [&mut item.get, &mut item.post, &mut item.delete, &mut item.patch, &mut item.put];
        operations.into_iter().flatten().for_each(add_errors);
    }
    // A document of texts can always be written as JSON.
    document.to_json().unwrap_or_default()
}

fn add_errors(operation: &mut Operation) {
    for (status, description) in ERRORS {
        let content = Content::new(Some(Ref::from_schema_name("ErrorBody")));
        let response = ResponseBuilder::new().description(description).content(JSON, content).build();
        operation.responses.responses.entry(status.into()).or_insert(RefOr::T(response));
    }
}
