//! References from commands to waves, which pass away by themselves.

use std::time::{Duration, SystemTime};

use tidegate_domain::id::{CommandId, WaveId};
use tidegate_ports::error::StoreError;
use tidegate_ports::references::References;

use super::DynamoStore;
use super::claims::wave_of;
use super::errors::unavailable;
use super::item::{Key, number, text};

/// How long a reference is kept: longer than SSM keeps the command itself (30 days, SSM user
/// guide, "Understanding command statuses").
const KEPT: Duration = Duration::from_secs(30 * 24 * 3600);

impl References for DynamoStore {
    async fn remember(&self, command: &CommandId, wave: &WaveId) -> Result<(), StoreError> {
        // A time to live is a matter of storage, not of the wave: the machine's clock will do.
        let expires = SystemTime::now() + KEPT;
        let expires = expires
            .duration_since(SystemTime::UNIX_EPOCH)
            .unwrap_or(KEPT);
        let mut item = Key::reference(command).item();
        item.insert("wave".to_owned(), text(wave.as_str()));
        item.insert("expires".to_owned(), number(expires.as_secs()));
        self.client
            .put_item()
            .table_name(&self.table)
            .set_item(Some(item))
            .send()
            .await
            .map_err(unavailable)?;
        Ok(())
    }

    async fn wave_of(&self, command: &CommandId) -> Result<Option<WaveId>, StoreError> {
        let item = self.get(&Key::reference(command)).await?;
        item.as_ref().map(wave_of).transpose()
    }
}
