//! The server's own account of its subscriptions, from its status pages.

use std::collections::HashMap;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use serde_json::Value;

use super::wish::SID;

/// Ten thousand accounts take a while.
const PATIENCE: Duration = Duration::from_secs(30);

/// Where the pages are.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Pages {
    pub(crate) addr: SocketAddr,
}

/// What became of every message for the measured subscription of one connection.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Account {
    /// The server's number of the connection.
    pub(crate) cid: u64,
    pub(crate) matched: u64,
    pub(crate) delivered: u64,
    pub(crate) lost: u64,
    pub(crate) conflated: u64,
    pub(crate) expired: u64,
    pub(crate) queued: u64,
    pub(crate) high_water: u64,
    /// Bytes its socket has taken, for the whole connection.
    pub(crate) out_bytes: u64,
    /// Why the connection ended, if it did.
    pub(crate) end: Option<String>,
}

impl Account {
    fn of(connection: &Value) -> Option<(u16, Account)> {
        let all = connection["subscriptions_list_detail"].as_array()?;
        let one = all.iter().find(|one| one["sid"] == SID)?;
        let count = |name: &str| one[name].as_u64();
        let account = Account {
            cid: connection["cid"].as_u64()?,
            matched: count("matched")?,
            delivered: count("delivered")?,
            lost: count("lost")?,
            conflated: count("conflated")?,
            expired: count("expired")?,
            queued: count("queued")?,
            high_water: count("high_water")?,
            out_bytes: connection["out_bytes"].as_u64()?,
            end: connection["reason_code"].as_str().map(str::to_owned),
        };
        Some((u16::try_from(connection["port"].as_u64()?).ok()?, account))
    }

    /// Whether the sum holds that makes an account exact.
    pub(crate) fn is_conserved(&self) -> bool {
        self.matched == self.delivered + self.gone() + self.queued
    }

    /// Messages that were or will not be delivered, for whatever reason.
    pub(crate) fn gone(&self) -> u64 {
        self.lost + self.conflated + self.expired
    }

    /// The sum in words, or why it does not hold.
    pub(crate) fn check(&self) -> Result<(), String> {
        if self.is_conserved() {
            return Ok(());
        }
        let Account { matched, delivered, lost, conflated, expired, queued, .. } = self;
        Err(format!(
            "matched {matched} is not delivered {delivered} + lost {lost} + conflated \
             {conflated} + expired {expired} + queued {queued}"
        ))
    }
}

impl Pages {
    /// The accounts of all connections, open and closed, by the port on the client's side.
    pub(crate) fn accounts(&self) -> Result<HashMap<u16, Account>, String> {
        let page = self.get("/connz?state=all&subs=detail&limit=100000")?;
        Ok(accounts_in(&page))
    }

    /// Bytes of the memory budget in use.
    pub(crate) fn budget_used(&self) -> Result<f64, String> {
        let page = self.get("/varz")?;
        let used = page["memory_budget"]["used"].as_u64();
        Ok(used.ok_or("/varz does not say memory_budget.used")? as f64)
    }

    fn get(&self, path: &str) -> Result<Value, String> {
        let failed = |error: std::io::Error| format!("{path} cannot be read: {error}");
        let mut stream = TcpStream::connect(self.addr).map_err(failed)?;
        stream.set_read_timeout(Some(PATIENCE)).map_err(failed)?;
        // Version 1.0: the body comes in one piece, and its end is the connection's.
        let request = format!("GET {path} HTTP/1.0\r\nHost: {}\r\n\r\n", self.addr);
        stream.write_all(request.as_bytes()).map_err(failed)?;
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).map_err(failed)?;
        body(&answer).ok_or_else(|| {
            let start = String::from_utf8_lossy(&answer[..answer.len().min(200)]);
            format!("{path} is not the page expected: {start:?}")
        })
    }
}

/// The JSON of a good answer.
fn body(answer: &[u8]) -> Option<Value> {
    let end = memchr::memmem::find(answer, b"\r\n\r\n")?;
    let (head, body) = (&answer[..end], &answer[end + 4..]);
    let status = head.split(|byte| *byte == b' ').nth(1)?;
    if status == b"200" { serde_json::from_slice(body).ok() } else { None }
}

fn accounts_in(page: &Value) -> HashMap<u16, Account> {
    let mut accounts: HashMap<u16, Account> = HashMap::new();
    for connection in page["connections"].as_array().into_iter().flatten() {
        let Some((port, account)) = Account::of(connection) else { continue };
        // A port may have been used before.
        if accounts.get(&port).is_none_or(|other| other.cid < account.cid) {
            accounts.insert(port, account);
        }
    }
    accounts
}

#[cfg(test)]
mod tests;
