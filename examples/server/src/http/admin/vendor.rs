//! The vendor's management call, as far as its public facts go: the method, the paths, the headers with the key, `ix_c`, `ix_u`, and
//! `ix_dr`. The names `ix_status` and the answer are ours.

use axum::Json;
use axum::extract::{FromRequest, OptionalFromRequest, Request};
use axum::http::{HeaderMap, header};
use suntap::Uid;

use super::Session;
use super::error::ApiError;
use super::extract::{BodyOf, PathOf};
use super::model::{VendorAnswer, VendorBody};
use crate::admin::{VendorChange, VendorTag};
use crate::registry::document::State;

/// The vendor's call: change the default response or the state of a tag. The key is a management key of the role `patch` or
/// `readWrite`, in the header `X-API-Key` or `Ixkio-R`; no token of a verification client is accepted. The fields are headers or a body
/// of JSON. `ix_dr` is the vendor's name; `ix_status`, the body and the answer are ours.
#[utoipa::path(patch, path = "/v1/x/{xuid}", tag = "vendor", request_body = Option<VendorBody>,
    params(("xuid", description = "The XUID"), ("ix_dr" = Option<String>, Header, description = "As in the body"),
        ("ix_status" = Option<String>, Header, description = "As in the body (ours)")),
    responses((status = 200, body = VendorAnswer)), security(("vendorKey" = [])))]
pub(super) async fn by_xuid(
    session: Session,
    PathOf(xuid): PathOf<String>,
    headers: HeaderMap,
    body: Option<BodyOf<VendorBody>>,
) -> Result<Json<VendorAnswer>, ApiError> {
    change(&session, &VendorTag::Xuid(xuid), &headers, body).await
}

/// The vendor's call for a tag that is named by its CUID or UID.
#[utoipa::path(patch, path = "/v1/a/{aid}", tag = "vendor", request_body = Option<VendorBody>,
    params(("aid", description = "The account id"), ("ix_c" = Option<String>, Header, description = "The CUID"),
        ("ix_u" = Option<String>, Header, description = "The UID: 14 hex digits"),
        ("ix_dr" = Option<String>, Header, description = "As in the body"),
        ("ix_status" = Option<String>, Header, description = "As in the body (ours)")),
    responses((status = 200, body = VendorAnswer)), security(("vendorKey" = [])))]
pub(super) async fn by_account(
    session: Session,
    PathOf(account): PathOf<String>,
    headers: HeaderMap,
    body: Option<BodyOf<VendorBody>>,
) -> Result<Json<VendorAnswer>, ApiError> {
    let tag = match (text(&headers, "ix_c")?, text(&headers, "ix_u")?) {
        (Some(cuid), None) => VendorTag::Cuid(account, cuid),
        (None, Some(uid)) => {
            let uid = Uid::from_hex(&uid).map_err(|_| ApiError::invalid("`ix_u` must have 14 hex digits"))?;
            VendorTag::Uid(account, uid)
        }
        _ => return Err(ApiError::invalid("the request needs one of the headers `ix_c` and `ix_u`")),
    };
    change(&session, &tag, &headers, body).await
}

async fn change(
    session: &Session,
    tag: &VendorTag,
    headers: &HeaderMap,
    body: Option<BodyOf<VendorBody>>,
) -> Result<Json<VendorAnswer>, ApiError> {
    let body = body.map(|BodyOf(body)| body).unwrap_or_default();
    let default_response = one("ix_dr", text(headers, "ix_dr")?, body.ix_dr)?;
    let state = match one("ix_status", text(headers, "ix_status")?, body.ix_status)?.as_deref() {
        None => None,
        Some("Active") => Some(State::Active),
        Some("Inactive") => Some(State::Inactive),
        Some(_) => return Err(ApiError::invalid("`ix_status` must be `Active` or `Inactive`")),
    };
    if default_response.is_none() && state.is_none() {
        return Err(ApiError::invalid("the request changes nothing: expected `ix_dr` or `ix_status`"));
    }
    let change = VendorChange { default_response, state };
    Ok(Json(VendorAnswer { xuid: session.admin().vendor_change(&session.manager, tag, &change).await? }))
}

fn one(name: &str, header: Option<String>, body: Option<String>) -> Result<Option<String>, ApiError> {
    match (header, body) {
        (Some(_), Some(_)) => Err(ApiError::invalid(format!("`{name}` must be a header or in the body, not both"))),
        (header, body) => Ok(header.or(body)),
    }
}

fn text(headers: &HeaderMap, name: &str) -> Result<Option<String>, ApiError> {
    let mut all = headers.get_all(name).into_iter();
    match (all.next(), all.next()) {
        (None, _) => Ok(None),
        (Some(value), None) => match std::str::from_utf8(value.as_bytes()) {
            Ok(text) => Ok(Some(text.into())),
            Err(_) => Err(ApiError::invalid(format!("the header `{name}` must be UTF-8"))),
        },
        (Some(_), Some(_)) => Err(ApiError::invalid(format!("the request has the header `{name}` twice"))),
    }
}

impl<S: Send + Sync> OptionalFromRequest<S> for BodyOf<VendorBody> {
    type Rejection = ApiError;

    async fn from_request(request: Request, state: &S) -> Result<Option<Self>, ApiError> {
        if request.headers().contains_key(header::CONTENT_TYPE) {
            let body = <Self as FromRequest<S>>::from_request(request, state).await?;
            return Ok(Some(body));
        }
        Ok(None)
    }
}
