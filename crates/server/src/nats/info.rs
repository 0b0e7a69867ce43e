//! What the server says of itself in INFO.

use std::net::SocketAddr;

use floodway_wire::nats::ServerInfo;

/// The protocol features of this nats-server version are what clients may rely on.
const SPEAKS_AS: &str = "2.9.10";

/// The part of INFO that is the same for every client.
#[derive(Debug, Clone)]
pub(crate) struct ServerFacts {
    pub(crate) server_id: String,
    pub(crate) server_name: String,
    pub(crate) addr: SocketAddr,
    pub(crate) max_payload: usize,
    pub(crate) auth_required: bool,
}

impl ServerFacts {
    /// INFO's line for one client; with `lame_duck` the one that asks it to go elsewhere.
    pub(crate) fn line(&self, client_id: u64, client: SocketAddr, lame_duck: bool) -> Vec<u8> {
        let info = ServerInfo {
            server_id: self.server_id.clone(),
            server_name: self.server_name.clone(),
            version: SPEAKS_AS.into(),
            proto: 1,
            go: concat!("floodway ", env!("CARGO_PKG_VERSION")).into(),
            host: self.addr.ip().to_string(),
            port: self.addr.port(),
            headers: true,
            max_payload: self.max_payload,
            auth_required: self.auth_required,
            client_id: Some(client_id),
            client_ip: Some(client.ip().to_string()),
            ldm: lame_duck,
            ..ServerInfo::default()
        };
        info.to_line()
    }
}
