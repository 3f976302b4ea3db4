//! What do `/api/v1/tickers`, `/book-tickers` and `/api/v1/daily-opens` answer?

use crate::{
    api::{
        Shared,
        error::ApiError,
        native::{
            Decimals, figures,
            rest::{rows, unproven},
        },
        params::Params,
    },
    market::{Contract, DayOpen},
    model::UnixMillis,
    query,
};
use actix_web::{HttpRequest, HttpResponse, web};
use serde_json::json;
use std::sync::Arc;

/// Statistics of the last 24 hours, of one contract or all.
pub(in crate::api) async fn tickers(request: HttpRequest, shared: web::Data<Shared>) -> Result<HttpResponse, ApiError> {
    let params = Params::read(request.query_string(), "symbol, decimals")?;
    let (decimals, contracts) = (params.decimals()?, params.contracts(&shared)?);
    shared.options.followed.expect_tickers()?;
    Ok(newest(&contracts, |contract| contract.figures.ticker(), decimals, figures::ticker))
}

/// The best bid and ask, of one contract or all.
pub(in crate::api) async fn best(request: HttpRequest, shared: web::Data<Shared>) -> Result<HttpResponse, ApiError> {
    let params = Params::read(request.query_string(), "symbol, decimals")?;
    let decimals = params.decimals()?;
    Ok(newest(&params.contracts(&shared)?, |contract| contract.figures.top(), decimals, figures::book_ticker))
}

/// The newest figure of each contract that has one, with its symbol.
pub(super) fn newest<T>(
    contracts: &[Arc<Contract>],
    figure: impl Fn(&Contract) -> Option<Arc<T>>,
    decimals: Decimals,
    write: impl Fn(&T, Decimals, &mut Vec<u8>),
) -> HttpResponse {
    let with_figure = |contract: &Arc<Contract>| Some((Arc::clone(contract), figure(contract)?));
    let found: Vec<_> = contracts.iter().filter_map(with_figure).collect();
    let data = rows(&found, |(contract, figure), out| {
        figures::named(&contract.symbol, out, |out| write(figure, decimals, out));
    });
    unproven(data, &json!({"count": found.len()}))
}

/// The first price of the current day by UTC, of one contract or all.
pub(in crate::api) async fn daily_opens(
    request: HttpRequest,
    shared: web::Data<Shared>,
) -> Result<HttpResponse, ApiError> {
    let params = Params::read(request.query_string(), "symbol, decimals")?;
    let (decimals, contracts) = (params.decimals()?, params.contracts(&shared)?);
    let now = shared.budget.now();
    let day = UnixMillis::new(now.get() - now.get().rem_euclid(UnixMillis::DAY));
    // Of most, the tape is looked at once a day; then it may be read from the disk.
    let opens = web::block(move || {
        let open_of = |contract: Arc<Contract>| (open(&contract, day), contract);
        contracts.into_iter().map(open_of).collect::<Vec<_>>()
    })
    .await?;
    let data = rows(&opens, |((open, complete), contract), out| {
        figures::named(&contract.symbol, out, |out| figures::day_open(*open, *complete, decimals, out));
    });
    Ok(unproven(data, &json!({"day": day.get(), "count": opens.len()})))
}

/// The day's first trade that is held, and whether it is proven to be the first; nothing before the first.
fn open(contract: &Contract, day: UnixMillis) -> (Option<DayOpen>, bool) {
    if let Some(open) = contract.figures.day_open(day) {
        return (Some(open), true);
    }
    let first = query::first_of_day(&contract.tape, contract.holding.get(), day);
    let Some((trade, is_first)) = first else { return (None, false) };
    let open = DayOpen { day, price: trade.price, time: trade.time };
    if is_first {
        contract.figures.set_day_open(open);
    }
    (Some(open), is_first)
}
