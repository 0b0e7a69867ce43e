//! Addresses to listen on, as people write them: `127.0.0.1:4222`, `localhost:4222`, `:4222`.

use std::net::{Ipv4Addr, SocketAddr, ToSocketAddrs};

/// Reads `host:port`; a host name is resolved, and `:port` and `*:port` mean every interface.
///
/// A port alone is refused: elsewhere it means every interface, and whoever expects only this
/// machine would open a broker to the network by accident.
pub(super) fn parse(text: &str) -> Result<SocketAddr, String> {
    let text = text.trim();
    if let Ok(address) = text.parse() {
        return Ok(address);
    }
    if let Some((scheme, rest)) = text.split_once("://") {
        return Err(format!("leave out the `{scheme}://`: write \"{rest}\""));
    }
    if text.parse::<u16>().is_ok() {
        return Err(format!(
            "`{text}` has no host; write \"127.0.0.1:{text}\" for this machine only, or \
             \":{text}\" for every interface"
        ));
    }
    let Some((host, port)) = text.rsplit_once(':') else {
        return Err(format!("`{text}` has no port; write \"host:port\", as in \"127.0.0.1:4222\""));
    };
    let Ok(port) = port.parse::<u16>() else {
        return Err(format!("`{port}` is not a port; write a number from 0 (any free) to 65535"));
    };
    if host.is_empty() || host == "*" {
        return Ok(SocketAddr::from((Ipv4Addr::UNSPECIFIED, port)));
    }
    if host.contains(':') {
        return Err(format!("an IPv6 address needs brackets: write \"[{host}]:{port}\""));
    }
    resolve(host, port)
}

/// IPv4 first: `localhost` often has both, and clients try 127.0.0.1 first.
fn resolve(host: &str, port: u16) -> Result<SocketAddr, String> {
    match (host, port).to_socket_addrs() {
        Ok(found) => {
            let found: Vec<SocketAddr> = found.collect();
            let best = found.iter().find(|address| address.is_ipv4()).or_else(|| found.first());
            best.copied().ok_or_else(|| format!("the host `{host}` has no address"))
        }
        Err(error) => Err(format!("the host `{host}` cannot be resolved: {error}")),
    }
}

#[cfg(test)]
mod tests;
