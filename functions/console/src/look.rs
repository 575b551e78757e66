//! `GET /wave?view=…`: a wave's page, for the holder of a pass.
//!
//! Changes nothing. A pass that an AWS principal asked for also leads to the gates at which that
//! principal may decide, through links that live no longer than the pass and prove what it does.

use std::collections::BTreeMap;

use jiff::Timestamp;
use tidegate_domain::gate::{Door, Gate, GateState};
use tidegate_domain::link::Link;
use tidegate_domain::plan::Approver;
use tidegate_domain::wave::Wave;
use tidegate_ports::clock::Clock;
use tidegate_ports::error::Context;
use tidegate_ports::signer::Signer;
use tidegate_ports::waves::Waves;

use crate::Ports;
use crate::decide::gate_plan;
use crate::page::Glance;
use crate::page::filter::Filter;
use crate::pass::Pass;
use crate::payload::{Request, Response};
use crate::refused::{Failure, Refused, Status};

/// The most audit records that a page is made from: the latest.
const MOST_RECORDS: u64 = 300;

/// The page.
pub(crate) async fn show<W: Waves, I, D, O, X, S: Signer, C: Clock>(
    request: &Request,
    ports: &Ports<'_, W, I, D, O, X, S, C>,
) -> Result<Response, Failure> {
    let filter = Filter::read(&request.raw_query_string, "view");
    let now = ports.clock.now();
    let pass = Pass::open(&filter.token, ports.signer, now).await?;
    let glanced = glance(filter, &pass, ports, now).await;
    glanced.map_err(Failure::signed)
}

async fn glance<W: Waves, I, D, O, X, S: Signer, C>(
    filter: Filter,
    pass: &Pass,
    ports: &Ports<'_, W, I, D, O, X, S, C>,
    now: Timestamp,
) -> Result<Response, Failure> {
    let whole = ports.waves.whole(&pass.wave).await;
    let whole = whole.context("could not read the wave")?.ok_or_else(|| {
        let message = format!("There is no wave {} any more.", pass.wave);
        Refused::new(Status::NotFound, message)
    })?;
    let first = whole.wave.audit.records.saturating_sub(MOST_RECORDS) + 1;
    let records = ports.waves.audit_since(&pass.wave, first).await;
    let records = records.context("could not read the timeline")?;
    let decide = links(&whole.wave, pass, ports.signer).await?;
    let glance = Glance {
        whole: &whole,
        records: &records,
        decide,
        now,
    };
    Ok(glance.page(filter))
}

/// Where the holder of the pass decides. Those who are asked by mail have links of their own, and a
/// pass that came with one makes no other.
async fn links(
    wave: &Wave,
    pass: &Pass,
    signer: &impl Signer,
) -> Result<BTreeMap<Gate, String>, Failure> {
    let mut links = BTreeMap::new();
    if !matches!(pass.holder, Approver::Iam(_)) {
        return Ok(links);
    }
    for (gate, state) in &wave.gates {
        let GateState::Open(open) = state else {
            continue;
        };
        if gate_plan(wave, *gate).approver(&pass.holder).is_none() {
            continue;
        }
        let link = Link {
            wave: wave.id.clone(),
            gate: *gate,
            evidence: open.evidence.hash(),
            approver: pass.holder.clone(),
            expires: pass.expires.min(open.expires),
            door: Door::Page,
            withdrawals: open.withdrawals,
        };
        let code = signer.sign(&link.signed()).await;
        let token = link.token(&code.context("could not sign a link")?);
        links.insert(*gate, format!("decide?token={token}"));
    }
    Ok(links)
}
