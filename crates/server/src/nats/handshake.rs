//! CONNECT: who the client is, and how it wants to be spoken to.

use std::time::Instant;

use floodway_broker::{Credentials, Identity};
use floodway_wire::nats::ConnectOptions;

use super::protocol::{AUTHORIZATION_VIOLATION, Close, Options, Protocol};

impl Protocol {
    /// Carries out a CONNECT; also a second one, which changes only what it mentions.
    pub(super) fn connect(&mut self, json: &[u8], now: Instant) -> Result<(), Close> {
        let Ok(wanted) = ConnectOptions::from_json(json) else {
            return Err(Close::silent("protocol violation: CONNECT is not JSON"));
        };
        let options = merged(self.options, &wanted);
        if !matches!(options.protocol, 0 | 1) {
            return Err(Close::told("invalid client protocol"));
        }
        if options.no_responders && !options.headers {
            return Err(Close::told("no responders requires headers support"));
        }
        if wanted.account.is_some() || wanted.new_account.is_some() {
            return Err(AUTHORIZATION_VIOLATION);
        }
        let user = self.authorize(&wanted)?;
        self.options = options;
        self.connected = true;
        self.connection.set_headers(options.headers);
        let session = self.connection.session();
        let before = session.identity();
        session.identify(Identity {
            name: wanted.name.or(before.name),
            lang: wanted.lang.or(before.lang),
            version: wanted.version.or(before.version),
            user: user.or(before.user),
        });
        session.count_in(0, 0, now);
        Ok(())
    }

    fn authorize(&mut self, wanted: &ConnectOptions) -> Result<Option<String>, Close> {
        let shown = Credentials {
            token: wanted.auth_token.as_deref(),
            user: wanted.user.as_deref(),
            password: wanted.pass.as_deref(),
        };
        let shows_nothing = wanted.auth_token.is_none() && wanted.user.is_none();
        if self.authorized && shows_nothing {
            return Ok(None);
        }
        match self.broker.access().check(&shown) {
            Ok(user) => {
                self.authorized = true;
                Ok(user)
            }
            Err(_denied) => Err(AUTHORIZATION_VIOLATION),
        }
    }
}

fn merged(before: Options, wanted: &ConnectOptions) -> Options {
    Options {
        verbose: wanted.verbose.unwrap_or(before.verbose),
        pedantic: wanted.pedantic.unwrap_or(before.pedantic),
        echo: wanted.echo.unwrap_or(before.echo),
        headers: wanted.headers.unwrap_or(before.headers),
        no_responders: wanted.no_responders.unwrap_or(before.no_responders),
        protocol: wanted.protocol.unwrap_or(before.protocol),
    }
}
