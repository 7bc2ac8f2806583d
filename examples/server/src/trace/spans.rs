//! The spans of a request. No span has a path, a query, a header or an address: an attribute is a word of this program, a number, or the
//! id of the request.

use std::sync::OnceLock;

use axum::extract::{MatchedPath, Request};
use axum::http::Method;
use axum::middleware::Next;
use axum::response::Response;
use opentelemetry::propagation::TextMapPropagator as _;
use opentelemetry::trace::{FutureExt as _, Span as _, SpanKind, Status, TraceContextExt as _, Tracer as _};
use opentelemetry::{Context, KeyValue};
use opentelemetry_http::HeaderExtractor;
use opentelemetry_sdk::propagation::TraceContextPropagator;
use opentelemetry_sdk::trace::{SdkTracer, Span};

use crate::http::Sender;

/// Set if the traces are sent.
pub(super) static TRACER: OnceLock<SdkTracer> = OnceLock::new();

/// Answers a request in a span. If the request has the header `traceparent`, the span belongs to that trace.
pub(crate) async fn request(request: Request, next: Next) -> Response {
    let Some(tracer) = TRACER.get() else { return next.run(request).await };
    let parent = TraceContextPropagator::new().extract(&HeaderExtractor(request.headers()));
    // The path of another request could be a part of a tap.
    let route = request.extensions().get::<MatchedPath>().map_or("other", MatchedPath::as_str).to_owned();
    let method = match *request.method() {
        Method::GET => "GET",
        Method::POST => "POST",
        Method::HEAD => "HEAD",
        Method::OPTIONS => "OPTIONS",
        // The word that the conventions have for a method that anybody could have invented.
        _ => "_OTHER",
    };
    let mut attributes = vec![KeyValue::new("http.request.method", method), KeyValue::new("http.route", route.clone())];
    let id = request.extensions().get::<Sender>().map(|sender| sender.request.to_string());
    attributes.extend(id.map(|id| KeyValue::new("suntap.request", id)));
    let span = tracer.span_builder(format!("{method} {route}")).with_kind(SpanKind::Server);
    let span = span.with_attributes(attributes).start_with_context(tracer, &parent);
    let context = parent.with_span(span);
    let response = next.run(request).with_context(context.clone()).await;
    let status = response.status();
    context.span().set_attribute(KeyValue::new("http.response.status_code", i64::from(status.as_u16())));
    if status.is_server_error() {
        context.span().set_status(Status::error(""));
    }
    context.span().end();
    response
}

/// Continues in the span of this request, for a task of its own.
pub(crate) fn continued<F: Future>(work: F) -> impl Future<Output = F::Output> {
    work.with_current_context()
}

/// Adds the verdict of a tap to the span of its request.
pub(crate) fn decided(verdict: &'static str) {
    Context::map_current(|context| context.span().set_attribute(KeyValue::new("suntap.verdict", verdict)));
}

/// Starts the span of a call of the store, which ends when it is dropped. Only requests have such spans.
pub(crate) fn call(name: &'static str) -> Option<Call> {
    let tracer = TRACER.get()?;
    Context::map_current(|context| {
        context
            .has_active_span()
            .then(|| Call(tracer.span_builder(name).with_kind(SpanKind::Client).start_with_context(tracer, context)))
    })
}

/// The span of a call of the store.
pub(crate) struct Call(Span);

impl Drop for Call {
    fn drop(&mut self) {
        self.0.end();
    }
}
