//! What does it cost the others when a contract comes or goes? Nothing: no socket, no id.

use super::*;
use tapedeck::{
    live::Event,
    market::{AddError, Ending},
};

const FROM_THE_START: usize = 10;
const LATER: usize = 50;

/// Contracts of every pace; the engine begins with the first ones.
fn setup() -> (Setup, Vec<&'static str>) {
    let name = |at: usize| -> &'static str { format!("S{at:02}USDT").leak() };
    let names: Vec<_> = (0..FROM_THE_START + LATER).map(name).collect();
    let contracts: Vec<_> = names.iter().zip(1..).map(|(symbol, at)| (*symbol, TapeKind::Aggregate, 20 * at)).collect();
    let mut setup = Setup::generated(41, &contracts);
    setup.contracts.truncate(FROM_THE_START);
    (setup, names)
}

fn spec(name: &str) -> market::Spec {
    (symbol(name), TapeKind::Aggregate, RING_TRADES).into()
}

#[test]
fn fifty_contracts_come_and_go_and_no_other_misses_an_id() {
    in_virtual_time(async {
        let (setup, names) = setup();
        let rig = setup.start();
        let (first, later) = names.split_at(FROM_THE_START);
        // Until it has begun, an actor's mailbox has room for a few.
        tokio::time::sleep(Duration::from_millis(1)).await;
        let probes: Vec<Probe> = first.iter().map(|name| rig.probe(name, &[1, 5], (0, 0))).collect();
        tokio::time::sleep(MINUTE).await;
        let mut come = Vec::new();
        for name in later {
            rig.engine.record(spec(name), |_| {}).expect("it is new");
            come.push(rig.probe(name, &[1], (0, 0)));
            tokio::time::sleep(Duration::from_millis(700)).await;
        }
        tokio::time::sleep(2 * MINUTE).await;
        for probe in probes.iter().chain(&come) {
            assert_eq!(oracle::judge(&rig, &probe.contract, &probe.view()).holes, [], "{}", probe.contract.symbol);
            assert!(probe.contract.stream.is_flowing());
        }
        for probe in &come {
            rig.engine.forget(probe.contract.id, Ending::Delisted).expect("recorded");
            tokio::time::sleep(Duration::from_millis(300)).await;
        }
        tokio::time::sleep(2 * MINUTE).await;
        for probe in &probes {
            assert_eq!(oracle::judge(&rig, &probe.contract, &probe.view()).holes, [], "{}", probe.contract.symbol);
        }
        assert_eq!(rig.counter("upstream_reconnects_total"), 0, "no socket was touched");
        assert_eq!(rig.counter("upstream_refused_total") + rig.counter("decode_unasked_total"), 0);
        assert_eq!(rig.counter("actor_rebuilds_total"), 0, "who was let go is not raised");
        // The connections of those that went are closed.
        assert_eq!(rig.counter("upstream_connected"), FROM_THE_START as u64 / 2);
    });
}

#[test]
fn who_follows_a_contract_that_goes_is_told_and_it_may_come_back() {
    in_virtual_time(async {
        let (setup, names) = setup();
        let rig = setup.start();
        let probe = rig.probe(names[9], &[1, 5], (0, 0));
        tokio::time::sleep(MINUTE).await;
        assert_eq!(rig.engine.record(spec(names[9]), |_| {}).err(), Some(AddError::Known(symbol(names[9]))));
        let gone = rig.engine.forget(probe.contract.id, Ending::Delisted).expect("recorded");
        assert!(gone.is_retired() && rig.engine.forget(gone.id, Ending::Delisted).is_none());
        tokio::time::sleep(Duration::from_secs(1)).await;
        let ended = probe.log().into_iter().filter(|(_, event)| *event == Event::Ended(Ending::Delisted));
        assert_eq!(ended.map(|(sub, _)| sub).collect::<Vec<_>>(), [0, 1, 2], "each line once");
        let silent_from = (probe.log().len(), gone.tape.newest_id());
        // Whoever found it before it went, and asks now.
        let late = Probe::start(gone.clone());
        late.subscribe(&rig.engine.live, Channel::Trades, 0);
        tokio::time::sleep(MINUTE).await;
        assert_eq!(late.log(), [(0, Event::Ended(Ending::Removed))]);
        assert_eq!((probe.log().len(), gone.tape.newest_id()), silent_from);
        assert!(!gone.actor.is_alive());
        let back = rig.engine.record(spec(names[9]), |_| {}).expect("it is not recorded");
        assert_ne!(back.id, gone.id);
        let probe = rig.probe(names[9], &[1], (0, 0));
        tokio::time::sleep(2 * MINUTE).await;
        assert_eq!(oracle::judge(&rig, &probe.contract, &probe.view()).holes, []);
    });
}
