//! What is published: a number, or 128 bytes that begin with one, so that every reader can tell
//! whether it got everything in order.

use std::sync::Arc;

use floodway::{Bus, BusConfig, Carried, Delivery, Outgoing};

/// One kind of payload, in the forms that contenders take it in.
pub(super) trait Content: 'static {
    const NAME: &'static str;

    /// What our bus carries.
    type Carried: Carried + ?Sized;
    /// What is given to it.
    type Given: Outgoing<Self::Carried>;
    /// The value behind an [`Arc`], for queues of one subscriber each.
    type Value: Send + Sync + 'static;
    /// What is cheapest to clone for each subscriber, for channels that do so.
    type Cheap: Clone + Send + Sync + 'static;

    fn bus() -> Bus<Self::Carried>;
    fn given(number: u64) -> Self::Given;
    fn number(delivery: &Delivery<Self::Carried>) -> u64;

    fn value(number: u64) -> Self::Value;
    fn number_of_value(value: &Self::Value) -> u64;

    fn cheap(number: u64) -> Self::Cheap;
    fn number_of_cheap(cheap: &Self::Cheap) -> u64;
}

impl Content for u64 {
    const NAME: &'static str = "u64";

    type Carried = u64;
    type Given = u64;
    type Value = u64;
    type Cheap = u64;

    fn bus() -> Bus<u64> {
        Bus::typed(&BusConfig::default())
    }

    fn given(number: u64) -> u64 {
        number
    }

    fn number(delivery: &Delivery<u64>) -> u64 {
        *delivery.payload()
    }

    fn value(number: u64) -> u64 {
        number
    }

    fn number_of_value(value: &u64) -> u64 {
        *value
    }

    fn cheap(number: u64) -> u64 {
        number
    }

    fn number_of_cheap(cheap: &u64) -> u64 {
        *cheap
    }
}

/// Bytes as they come from elsewhere: whoever keeps them copies them.
pub(super) enum Bytes128 {}

/// The number in the first eight bytes.
fn number_in(bytes: &[u8]) -> u64 {
    bytes.first_chunk().map_or(u64::MAX, |first| u64::from_le_bytes(*first))
}

impl Content for Bytes128 {
    const NAME: &'static str = "128 bytes";

    type Carried = [u8];
    type Given = [u8; 128];
    type Value = [u8; 128];
    type Cheap = Arc<[u8; 128]>;

    fn bus() -> Bus {
        Bus::default()
    }

    fn given(number: u64) -> [u8; 128] {
        Self::value(number)
    }

    fn number(delivery: &Delivery) -> u64 {
        number_in(delivery.payload())
    }

    fn value(number: u64) -> [u8; 128] {
        let mut bytes = [0; 128];
        bytes[..8].copy_from_slice(&number.to_le_bytes());
        bytes
    }

    fn number_of_value(value: &[u8; 128]) -> u64 {
        number_in(value)
    }

    fn cheap(number: u64) -> Arc<[u8; 128]> {
        Arc::new(Self::value(number))
    }

    fn number_of_cheap(cheap: &Arc<[u8; 128]>) -> u64 {
        number_in(&**cheap)
    }
}
