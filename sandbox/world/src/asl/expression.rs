//! The part of JSONata that the state machine uses: paths from `$states`, literals, `=`, `!=`,
//! `<`, `<=`, `>`, `>=`, `and`, `or`, `&`, `+`, `-`, objects, arrays, `$string`, `$merge`,
//! `$exists`.
//!
//! **Invariant**: anything else is an error, never a guess.

use serde_json::{Map, Value};

/// An expression that could not be read or evaluated (`States.QueryEvaluationError`).
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{expression}: {message}")]
pub struct ExpressionError {
    /// The expression.
    pub expression: String,
    /// What is wrong.
    pub message: String,
}

/// Fill a template: every string that is `{% … %}` as a whole is evaluated over `states`.
///
/// # Errors
/// An expression cannot be read, or gives nothing.
pub fn fill(template: &Value, states: &Value) -> Result<Value, ExpressionError> {
    match template {
        Value::String(text) => match expression(text) {
            Some(inner) => evaluate(inner, states)?.ok_or_else(|| ExpressionError {
                expression: inner.to_owned(),
                message: "it gives nothing".to_owned(),
            }),
            None => Ok(template.clone()),
        },
        Value::Array(items) => items.iter().map(|item| fill(item, states)).collect(),
        Value::Object(members) => {
            let filled = members
                .iter()
                .map(|(key, value)| Ok((key.clone(), fill(value, states)?)));
            filled.collect::<Result<Map<_, _>, _>>().map(Value::Object)
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => Ok(template.clone()),
    }
}

/// Whether a condition holds.
///
/// # Errors
/// It cannot be read, or does not give true or false.
pub fn holds(condition: &str, states: &Value) -> Result<bool, ExpressionError> {
    let wrong = |message: &str| ExpressionError {
        expression: condition.to_owned(),
        message: message.to_owned(),
    };
    let inner = expression(condition).ok_or_else(|| wrong("a condition is written {% … %}"))?;
    match evaluate(inner, states)? {
        Some(Value::Bool(answer)) => Ok(answer),
        _ => Err(wrong("it gives neither true nor false")),
    }
}

fn expression(text: &str) -> Option<&str> {
    text.strip_prefix("{%")?.strip_suffix("%}").map(str::trim)
}

/// Evaluate; None is JSONata's undefined.
fn evaluate(text: &str, states: &Value) -> Result<Option<Value>, ExpressionError> {
    let wrong = |message: String| ExpressionError {
        expression: text.to_owned(),
        message,
    };
    let tokens = tokens(text).map_err(wrong)?;
    let mut reader = Reader {
        tokens: &tokens,
        at: 0,
        states,
    };
    let value = reader.either().map_err(wrong)?;
    match reader.tokens.get(reader.at) {
        None => Ok(value),
        Some(token) => Err(wrong(format!("{token:?} is not understood here"))),
    }
}

#[derive(Debug, Clone, PartialEq)]
enum Token {
    Name(String),
    Variable(String),
    Text(String),
    Number(serde_json::Number),
    Sign(&'static str),
}

const SIGNS: [&str; 18] = [
    "!=", "<=", ">=", "=", "<", ">", "&", "+", "-", "(", ")", "{", "}", "[", "]", ":", ",", ".",
];

fn tokens(text: &str) -> Result<Vec<Token>, String> {
    let mut tokens = Vec::new();
    let mut rest = text.trim_start();
    while let Some(first) = rest.chars().next() {
        let word = |from: &str| {
            let end = from.find(|c: char| !(c.is_ascii_alphanumeric() || c == '_'));
            end.unwrap_or(from.len())
        };
        let length;
        if let Some(after) = rest.strip_prefix('$') {
            length = 1 + word(after);
            tokens.push(Token::Variable(rest[1..length].to_owned()));
        } else if first.is_ascii_alphabetic() || first == '_' {
            length = word(rest);
            tokens.push(Token::Name(rest[..length].to_owned()));
        } else if first.is_ascii_digit() {
            let end = rest.find(|c: char| !(c.is_ascii_digit() || c == '.'));
            length = end.unwrap_or(rest.len());
            let number = rest[..length].parse();
            tokens.push(Token::Number(
                number.map_err(|_| format!("{rest:?} is no number"))?,
            ));
        } else if first == '\'' || first == '"' {
            let end = rest[1..].find(first).ok_or("a text does not end")?;
            if rest[1..=end].contains('\\') {
                return Err("an escape in a text is not understood".to_owned());
            }
            length = end + 2;
            tokens.push(Token::Text(rest[1..=end].to_owned()));
        } else {
            let sign = SIGNS.into_iter().find(|sign| rest.starts_with(sign));
            let sign = sign.ok_or_else(|| format!("{first:?} is not understood"))?;
            length = sign.len();
            tokens.push(Token::Sign(sign));
        }
        rest = rest[length..].trim_start();
    }
    Ok(tokens)
}

struct Reader<'a> {
    tokens: &'a [Token],
    at: usize,
    states: &'a Value,
}

type Evaluated = Result<Option<Value>, String>;

impl Reader<'_> {
    fn next_is(&mut self, token: &Token) -> bool {
        let found = self.tokens.get(self.at) == Some(token);
        self.at += usize::from(found);
        found
    }

    fn sign(&mut self, sign: &'static str) -> bool {
        self.next_is(&Token::Sign(sign))
    }

    fn expect(&mut self, sign: &'static str) -> Result<(), String> {
        if self.sign(sign) {
            Ok(())
        } else {
            Err(format!("{sign:?} is missing"))
        }
    }

    fn either(&mut self) -> Evaluated {
        let mut left = self.both()?;
        while self.next_is(&Token::Name("or".to_owned())) {
            let right = self.both()?;
            left = Some(Value::Bool(truth(left.as_ref())? | truth(right.as_ref())?));
        }
        Ok(left)
    }

    fn both(&mut self) -> Evaluated {
        let mut left = self.compared()?;
        while self.next_is(&Token::Name("and".to_owned())) {
            let right = self.compared()?;
            left = Some(Value::Bool(truth(left.as_ref())? & truth(right.as_ref())?));
        }
        Ok(left)
    }

    fn compared(&mut self) -> Evaluated {
        let left = self.joined()?;
        for sign in ["!=", "<=", ">=", "=", "<", ">"] {
            if self.sign(sign) {
                let right = self.joined()?;
                return compare(sign, left.as_ref(), right.as_ref()).map(|b| Some(Value::Bool(b)));
            }
        }
        Ok(left)
    }

    fn joined(&mut self) -> Evaluated {
        let mut left = self.added()?;
        while self.sign("&") {
            let right = self.added()?;
            let joined = string(left.as_ref())? + &string(right.as_ref())?;
            left = Some(Value::String(joined));
        }
        Ok(left)
    }

    fn added(&mut self) -> Evaluated {
        let mut left = self.one()?;
        loop {
            let sign = if self.sign("+") {
                1
            } else if self.sign("-") {
                -1
            } else {
                return Ok(left);
            };
            let right = self.one()?;
            let number = |value: Option<&Value>| {
                value
                    .and_then(Value::as_i64)
                    .ok_or("only whole numbers are added".to_owned())
            };
            let (a, b) = (number(left.as_ref())?, number(right.as_ref())?);
            let sum = a.checked_add(sign * b).ok_or("the sum is too large")?;
            left = Some(Value::from(sum));
        }
    }

    fn one(&mut self) -> Evaluated {
        let token = self.tokens.get(self.at).ok_or("it ends too early")?.clone();
        self.at += 1;
        let mut value = match token {
            Token::Text(text) => Some(Value::String(text)),
            Token::Number(number) => Some(Value::Number(number)),
            Token::Name(name) => match name.as_str() {
                "true" => Some(Value::Bool(true)),
                "false" => Some(Value::Bool(false)),
                "null" => Some(Value::Null),
                _ => return Err(format!("{name} is not understood")),
            },
            Token::Variable(name) if name == "states" => Some(self.states.clone()),
            Token::Variable(name) => self.function(&name)?,
            Token::Sign("(") => {
                let inner = self.either()?;
                self.expect(")")?;
                inner
            }
            Token::Sign("{") => self.object()?,
            Token::Sign("[") => Some(Value::Array(self.list("]")?)),
            Token::Sign(sign) => return Err(format!("{sign:?} is not understood here")),
        };
        while self.sign(".") {
            let Some(Token::Name(member)) = self.tokens.get(self.at) else {
                return Err("a member's name is missing".to_owned());
            };
            self.at += 1;
            value = match value {
                Some(Value::Object(mut members)) => members.remove(member),
                Some(Value::Array(_)) => {
                    return Err("a path into an array is not understood".to_owned());
                }
                _ => None,
            };
        }
        Ok(value)
    }

    fn list(&mut self, end: &'static str) -> Result<Vec<Value>, String> {
        let mut items = Vec::new();
        while !self.sign(end) {
            if !items.is_empty() {
                self.expect(",")?;
            }
            items.push(self.either()?.ok_or("an item gives nothing")?);
        }
        Ok(items)
    }

    fn object(&mut self) -> Evaluated {
        let mut members = Map::new();
        while !self.sign("}") {
            if !members.is_empty() {
                self.expect(",")?;
            }
            let Some(Value::String(key)) = self.one()? else {
                return Err("a member's name must be a text".to_owned());
            };
            self.expect(":")?;
            if let Some(value) = self.either()? {
                members.insert(key, value);
            }
        }
        Ok(Some(Value::Object(members)))
    }

    fn function(&mut self, name: &str) -> Evaluated {
        self.expect("(")?;
        if name == "exists" {
            let value = self.either()?;
            self.expect(")")?;
            return Ok(Some(Value::Bool(value.is_some())));
        }
        let arguments = self.list(")")?;
        match (name, arguments.as_slice()) {
            ("string", [value]) => Ok(Some(Value::String(string(Some(value))?))),
            ("merge", [Value::Array(objects)]) => {
                let mut merged = Map::new();
                for object in objects {
                    let members = object.as_object().ok_or("$merge takes objects")?;
                    merged.extend(members.clone());
                }
                Ok(Some(Value::Object(merged)))
            }
            _ => Err(format!(
                "${name} of {} arguments is not understood",
                arguments.len()
            )),
        }
    }
}

fn truth(value: Option<&Value>) -> Result<bool, String> {
    value
        .and_then(Value::as_bool)
        .ok_or("neither true nor false".to_owned())
}

fn string(value: Option<&Value>) -> Result<String, String> {
    match value {
        None => Ok(String::new()),
        Some(Value::String(text)) => Ok(text.clone()),
        Some(other) => Ok(other.to_string()),
    }
}

fn compare(sign: &str, left: Option<&Value>, right: Option<&Value>) -> Result<bool, String> {
    let order = || match (left, right) {
        (Some(Value::Number(a)), Some(Value::Number(b))) => a
            .as_f64()
            .partial_cmp(&b.as_f64())
            .ok_or("not comparable".to_owned()),
        (Some(Value::String(a)), Some(Value::String(b))) => Ok(a.cmp(b)),
        _ => Err("only numbers or texts are put in order".to_owned()),
    };
    match sign {
        "=" => Ok(left == right && left.is_some()),
        "!=" => Ok(left != right),
        "<" => Ok(order()?.is_lt()),
        "<=" => Ok(order()?.is_le()),
        ">" => Ok(order()?.is_gt()),
        _ => Ok(order()?.is_ge()),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn check(expression: &str, expected: Option<Value>) {
        let states = json!({"input": {"a": 1, "name": "orders", "next": "act", "none": null},
            "context": {"Execution": {"Id": "arn"}}});
        assert_eq!(evaluate(expression, &states), Ok(expected), "{expression}");
    }

    #[test]
    fn expressions_give_what_jsonata_gives() {
        check("$states.input.a", Some(json!(1)));
        check("$states.input.b", None);
        check("$states.input.b.c", None);
        check("$states.context.Execution.Id", Some(json!("arn")));
        check("$states.input.next = 'act'", Some(json!(true)));
        check("$states.input.next = \"park\"", Some(json!(false)));
        check("$states.input.b = $states.input.c", Some(json!(false)));
        check("$states.input.a + 1", Some(json!(2)));
        check(
            "$states.input.name & '-g' & $string($states.input.a + 1)",
            Some(json!("orders-g2")),
        );
        check(
            "{'x': $states.input.a, 'y': [1, 'z']}",
            Some(json!({"x": 1, "y": [1, "z"]})),
        );
        check("$merge([$states.input, {'a': 2}]).a", Some(json!(2)));
        check(
            "$exists($states.input.b) or 1 < 2 and true",
            Some(json!(true)),
        );
    }

    #[test]
    fn what_is_not_understood_is_refused() {
        for wrong in [
            "$sum([1])",
            "a.b",
            "$states.input[0]",
            "1 +",
            "'x",
            "$states ~> $string",
            "#",
        ] {
            assert!(evaluate(wrong, &json!({})).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_template_is_filled_and_undefined_is_an_error() {
        let states = json!({"input": {"wave": "orders"}});
        let filled = fill(
            &json!({"w": "{% $states.input.wave %}", "n": [3, "x"]}),
            &states,
        );
        assert_eq!(filled, Ok(json!({"w": "orders", "n": [3, "x"]})));
        assert!(fill(&json!("{% $states.input.other %}"), &states).is_err());
        assert_eq!(
            holds("{% $states.input.wave = 'orders' %}", &states),
            Ok(true)
        );
        assert!(holds("{% $states.input.wave %}", &states).is_err());
    }
}
