//! The table's contract on the store in memory.

use tidegate_world::memory::MemoryStore;

async fn store() -> MemoryStore {
    MemoryStore::new()
}

tidegate_world::store_contract!(store);
