//! How is it told what has become of contracts?

use crate::{
    api::{Shared, error::ApiError, params::Params},
    live::Rows,
    market::{Announcement, News},
    model::UnixMillis,
};
use actix_web::{HttpRequest, HttpResponse, web};
use serde_json::{Value, json};

/// The newest announcements, the oldest of them first.
pub(in crate::api) async fn list(request: HttpRequest, shared: web::Data<Shared>) -> Result<HttpResponse, ApiError> {
    let params = Params::read(request.query_string(), "after, symbol, limit")?;
    let (after, limit) = (params.id("after")?.unwrap_or(0), params.limit()?);
    let is_wanted = |one: &Announcement| {
        params.text("symbol").is_none_or(|symbol| one.symbol.as_str().eq_ignore_ascii_case(symbol))
    };
    let newest_id = *shared.announcements.follow().borrow();
    let found = shared.announcements.after(after);
    // Ids count from 1: what is not remembered any more is seen by the first that is.
    let complete = found.first().is_none_or(|first| first.id <= after.saturating_add(1));
    let data: Vec<_> = found.iter().filter(|one| is_wanted(one)).take(limit).map(described).collect();
    let meta = json!({"count": data.len(), "newest_id": newest_id, "complete": complete});
    Ok(HttpResponse::Ok().json(json!({"data": data, "meta": meta})))
}

/// Announcements as rows of a frame.
pub(super) fn rows(announcements: &[Announcement]) -> Rows {
    let bodies: Vec<_> = announcements.iter().map(|one| described(one).to_string()).collect();
    Rows { body: bodies.join(",").into(), count: u32::try_from(bodies.len()).unwrap_or(u32::MAX) }
}

fn described(announcement: &Announcement) -> Value {
    let Announcement { id, time, symbol, news } = announcement;
    let mut row = json!({"id": id, "time": time.get(), "symbol": symbol.as_str(), "event": event(news)});
    match news {
        News::Listed { status, onboard_time } => {
            row["status"] = json!(status);
            row["onboard_time"] = json!(onboard_time.get());
        }
        News::Replaced { onboard_time } => row["onboard_time"] = json!(onboard_time.get()),
        News::Status { from, to } | News::Kind { from, to } => {
            row["from"] = json!(from);
            row["to"] = json!(to);
        }
        News::Ends { from, to } => {
            row["from"] = json!(from.map(UnixMillis::get));
            row["to"] = json!(to.map(UnixMillis::get));
        }
        News::Rescaled { from, to } => {
            row["from"] = json!(from.to_string());
            row["to"] = json!(to.to_string());
        }
        News::Steps { tick_size, step_size } => {
            let of = |tick: String, step: String| json!({"tick_size": tick, "step_size": step});
            row["from"] = of(tick_size.0.to_string(), step_size.0.to_string());
            row["to"] = of(tick_size.1.to_string(), step_size.1.to_string());
        }
        News::Ended(ending) => row["reason"] = json!(ending.name()),
        News::Unlisted | News::Recorded => {}
    }
    row
}

const fn event(news: &News) -> &'static str {
    match news {
        News::Listed { .. } => "listed",
        News::Unlisted => "unlisted",
        News::Status { .. } => "status",
        News::Kind { .. } => "contract_type",
        News::Ends { .. } => "ends",
        News::Steps { .. } => "steps",
        News::Rescaled { .. } => "rescaled",
        News::Replaced { .. } => "replaced",
        News::Recorded => "recorded",
        News::Ended(_) => "ended",
    }
}
