//! Pages of a list: `maxResults`, `nextToken`, `items`.
//!
//! **Invariant:** a token belongs to one operation with one set of filters, and names the
//! last item returned, so that items that come or go meanwhile neither shift a page nor
//! repeat an item.

use serde_json::{Value, json};

use super::errors::{self, ApiError};
use super::wire::Object;

/// One page of the `items`, given as sorted `(key, item)`; `render` makes an item's JSON.
///
/// # Errors
/// ValidationException when the token is not one of this list's.
pub(crate) fn page<T>(
    operation: &str,
    input: &Value,
    items: Vec<(String, T)>,
    default_size: usize,
    mut render: impl FnMut(T) -> Value,
) -> Result<Value, ApiError> {
    let scope = scope(operation, input);
    let after = match input["nextToken"]
        .as_str()
        .filter(|token| !token.is_empty())
    {
        None => None,
        Some(token) => Some(read(token, scope).ok_or_else(|| {
            errors::validation(
                "fieldValidationFailed",
                "The nextToken is not one of this list's.",
                vec![json!({"name": "nextToken", "message": "Invalid pagination token"})],
            )
        })?),
    };
    let size = input["maxResults"]
        .as_u64()
        .map_or(default_size, |size| size as usize)
        .max(1);
    let mut rest = items
        .into_iter()
        .skip_while(|(key, _)| after.as_ref().is_some_and(|after| key <= after))
        .peekable();
    let mut rendered = Vec::new();
    let mut last = String::new();
    while rendered.len() < size {
        let Some((key, item)) = rest.next() else {
            break;
        };
        last = key;
        rendered.push(render(item));
    }
    let token = rest.peek().is_some().then(|| write(&last, scope));
    // Built by hand: the macro would copy every item.
    Ok(Object::new()
        .with("items", rendered)
        .with_some("nextToken", token)
        .build())
}

/// A key that sorts the newest first.
pub(crate) fn newest_first(at: jiff::Timestamp, id: &str) -> String {
    let age = i64::MAX - at.as_millisecond();
    format!("{age:020}{id}")
}

/// What a token is good for: the operation and everything of its input but the paging.
fn scope(operation: &str, input: &Value) -> u64 {
    let mut rest = input.clone();
    if let Some(members) = rest.as_object_mut() {
        members.remove("nextToken");
        members.remove("maxResults");
        members.retain(|_, value| !value.is_null());
    }
    let mut hash = 0xcbf2_9ce4_8422_2325_u64;
    for byte in operation.bytes().chain(rest.to_string().bytes()) {
        hash = (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
    }
    hash
}

fn write(key: &str, scope: u64) -> String {
    let mut token = format!("{scope:016x}");
    for byte in key.bytes() {
        token.push_str(&format!("{byte:02x}"));
    }
    token
}

fn read(token: &str, scope: u64) -> Option<String> {
    let key = token.strip_prefix(&format!("{scope:016x}"))?;
    if !key.is_ascii() || !key.len().is_multiple_of(2) {
        return None;
    }
    let bytes: Option<Vec<u8>> = (0..key.len())
        .step_by(2)
        .map(|at| u8::from_str_radix(&key[at..at + 2], 16).ok())
        .collect();
    String::from_utf8(bytes?).ok()
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::page;

    fn list(operation: &str, input: &Value, keys: &[&str]) -> Result<Value, String> {
        let items = keys.iter().map(|key| ((*key).to_owned(), *key)).collect();
        page(operation, input, items, 2, Value::from).map_err(|error| error.to_string())
    }

    #[test]
    fn pages_follow_each_other_while_items_come_and_go() {
        let first = list("List", &json!({}), &["a", "b", "c", "d"]).expect("a page");
        assert_eq!(first["items"], json!(["a", "b"]));
        let next = json!({"nextToken": first["nextToken"]});
        let second = list("List", &next, &["a", "aa", "c", "d", "e"]).expect("a page");
        assert_eq!(second["items"], json!(["c", "d"]));
        let next = json!({"nextToken": second["nextToken"], "maxResults": 1});
        let last = list("List", &next, &["e"]).expect("a page");
        assert_eq!(last, json!({"items": ["e"]}));
    }

    #[test]
    fn a_token_is_good_for_its_own_list_only() {
        let first = list("List", &json!({}), &["a", "b", "c"]).expect("a page");
        let token = &first["nextToken"];
        let other = json!({"nextToken": token, "filters": {"isArchived": true}});
        assert!(list("List", &other, &["a", "b", "c"]).is_err());
        assert!(list("Other", &json!({"nextToken": token}), &["a"]).is_err());
        assert!(list("List", &json!({"nextToken": "nonsense"}), &["a"]).is_err());
        assert!(list("List", &json!({"nextToken": "é"}), &["a"]).is_err());
    }
}
