//! Random WIT types and random values of them.

use serde_json::{Map, Value, json};

use crate::support::rng::Rng;

pub(in crate::functions) enum Ty {
    Bool,
    /// The least and the greatest value, and whether JSON may have it as a string.
    Integer(i128, i128, bool),
    F32,
    F64,
    Char,
    String,
    Bytes,
    List(Box<Self>),
    Tuple(Vec<Self>),
    Record(Vec<(String, Self)>),
    Variant(Vec<(String, Option<Self>)>),
    Enum(Vec<String>),
    Flags(Vec<String>),
    Option(Box<Self>),
    Result(Option<Box<Self>>, Option<Box<Self>>),
}

/// Generates types. `definitions` collects the WIT of those that need a name.
#[derive(Default)]
pub(in crate::functions) struct TypeGenerator {
    pub(in crate::functions) definitions: String,
    defined: usize,
}

/// Names of fields and cases: some have a meaning in JSON Schema or WIT, some have none.
pub(in crate::functions) const WORDS: [&str; 16] = [
    "some",
    "ok",
    "error",
    "none",
    "type",
    "result",
    "properties",
    "description",
    "x",
    "a",
    "URL",
    "list",
    "enum",
    "null",
    "required",
    "x1",
];

impl TypeGenerator {
    pub(in crate::functions) fn ty(&mut self, rng: &mut Rng, depth: usize) -> (String, Ty) {
        let kind = if depth == 0 {
            rng.below(8)
        } else {
            rng.below(18)
        };
        match kind {
            0 => ("bool".into(), Ty::Bool),
            1 | 2 => {
                let (wit, min, max, wide) = *rng.choose(&[
                    ("s8", i8::MIN as i128, i8::MAX as i128, false),
                    ("u8", 0, u8::MAX as i128, false),
                    ("s16", i16::MIN as i128, i16::MAX as i128, false),
                    ("u16", 0, u16::MAX as i128, false),
                    ("s32", i32::MIN as i128, i32::MAX as i128, false),
                    ("u32", 0, u32::MAX as i128, false),
                    ("s64", i64::MIN as i128, i64::MAX as i128, true),
                    ("u64", 0, u64::MAX as i128, true),
                ]);
                (wit.into(), Ty::Integer(min, max, wide))
            }
            3 => ("f32".into(), Ty::F32),
            4 => ("f64".into(), Ty::F64),
            5 => ("char".into(), Ty::Char),
            6 => ("string".into(), Ty::String),
            7 => ("list<u8>".into(), Ty::Bytes),
            8 | 9 => {
                let (wit, ty) = self.ty(rng, depth - 1);
                let ty = match ty {
                    Ty::Integer(0, 255, _) => Ty::Bytes,
                    ty => Ty::List(Box::new(ty)),
                };
                (format!("list<{wit}>"), ty)
            }
            10 => {
                let count = 1 + rng.below(4);
                let parts: Vec<_> = (0..count).map(|_| self.ty(rng, depth - 1)).collect();
                let (wits, types): (Vec<_>, _) = parts.into_iter().unzip();
                (format!("tuple<{}>", wits.join(", ")), Ty::Tuple(types))
            }
            11 | 12 => {
                let (mut fields, mut wits) = (Vec::new(), Vec::new());
                for name in names(rng, 5) {
                    let (wit, ty) = self.ty(rng, depth - 1);
                    wits.push(format!("%{name}: {wit}"));
                    fields.push((name, ty));
                }
                (self.define("record", &wits), Ty::Record(fields))
            }
            13 => {
                let (mut cases, mut wits) = (Vec::new(), Vec::new());
                for name in names(rng, 5) {
                    if rng.bool() {
                        let (wit, ty) = self.ty(rng, depth - 1);
                        wits.push(format!("%{name}({wit})"));
                        cases.push((name, Some(ty)));
                    } else {
                        wits.push(format!("%{name}"));
                        cases.push((name, None));
                    }
                }
                (self.define("variant", &wits), Ty::Variant(cases))
            }
            14 => {
                let names = names(rng, 40);
                let wits: Vec<_> = names.iter().map(|name| format!("%{name}")).collect();
                if rng.bool() {
                    (self.define("enum", &wits), Ty::Enum(names))
                } else {
                    let names = names[..names.len().min(32)].to_vec();
                    (self.define("flags", &wits[..names.len()]), Ty::Flags(names))
                }
            }
            15 | 16 => {
                let (wit, ty) = self.ty(rng, depth - 1);
                (format!("option<{wit}>"), Ty::Option(Box::new(ty)))
            }
            _ => {
                let mut part = || rng.bool().then(|| self.ty(rng, depth - 1));
                let (ok, error) = (part(), part());
                let wit = match (&ok, &error) {
                    (None, None) => "result".into(),
                    (Some((ok, _)), None) => format!("result<{ok}>"),
                    (None, Some((error, _))) => format!("result<_, {error}>"),
                    (Some((ok, _)), Some((error, _))) => format!("result<{ok}, {error}>"),
                };
                let boxed = |part: Option<(String, Ty)>| part.map(|(_, ty)| Box::new(ty));
                (wit, Ty::Result(boxed(ok), boxed(error)))
            }
        }
    }

    fn define(&mut self, kind: &str, parts: &[String]) -> String {
        self.defined += 1;
        let name = format!("named{}", self.defined);
        self.definitions
            .push_str(&format!("{kind} {name} {{ {} }}\n", parts.join(", ")));
        name
    }
}

/// Returns one to `max_count` different names.
fn names(rng: &mut Rng, max_count: usize) -> Vec<String> {
    let mut names: Vec<String> = Vec::new();
    for _ in 0..=rng.below(max_count) {
        let mut name = (*rng.choose(&WORDS)).to_owned();
        while names.contains(&name) || rng.below(4) == 0 {
            name = format!("{name}-{}", rng.choose(&WORDS));
        }
        names.push(name);
    }
    names
}

impl Ty {
    /// Returns a random value as a client may send it, and as the guest returns it.
    pub(in crate::functions) fn value(&self, rng: &mut Rng) -> (Value, Value) {
        let same = |value: Value| (value.clone(), value);
        match self {
            Self::Bool => same(rng.bool().into()),
            Self::Integer(min, max, wide) => integer(rng, *min, *max, *wide),
            Self::F32 => {
                let float = match rng.below(4) {
                    0 => *rng.choose(&[
                        0.0,
                        -0.0,
                        f32::MAX,
                        f32::MIN_POSITIVE,
                        1e-45,
                        f32::NAN,
                        f32::INFINITY,
                    ]),
                    1 => rng.below(1_000) as f32 / 8.0,
                    _ => f32::from_bits(rng.bits() as u32),
                };
                let shortest: f64 = float.to_string().parse().unwrap();
                let given = if rng.bool() { shortest } else { float.into() };
                (number(given), number(shortest))
            }
            Self::F64 => {
                let float = match rng.below(4) {
                    0 => *rng.choose(&[
                        0.0,
                        -0.0,
                        f64::MAX,
                        5e-324,
                        f64::NAN,
                        f64::INFINITY,
                        f64::NEG_INFINITY,
                    ]),
                    1 => rng.below(1_000) as f64 / 10.0,
                    _ => f64::from_bits(rng.bits()),
                };
                same(number(float))
            }
            Self::Char => same(char(rng).to_string().into()),
            Self::String => {
                let count = rng.below(6);
                same((0..count).map(|_| char(rng)).collect::<String>().into())
            }
            Self::Bytes => {
                use base64::Engine as _;
                let count = rng.below(8);
                let bytes: Vec<_> = (0..count).map(|_| rng.bits() as u8).collect();
                let text = base64::engine::general_purpose::STANDARD.encode(bytes);
                let bare = text.trim_end_matches('=').to_owned();
                (
                    if rng.bool() { bare } else { text.clone() }.into(),
                    text.into(),
                )
            }
            Self::List(ty) => {
                let count = rng.below(5);
                pair((0..count).map(|_| ty.value(rng)))
            }
            Self::Tuple(types) => pair(types.iter().map(|ty| ty.value(rng))),
            Self::Record(fields) => {
                let mut given = Vec::new();
                let mut returned = Map::new();
                for (name, ty) in fields {
                    let (value, back) = ty.value(rng);
                    returned.insert(name.clone(), back);
                    // Null members may be omitted, and members have no order.
                    if !(value.is_null() && rng.bool()) {
                        let at = rng.below(given.len() + 1);
                        given.insert(at, (name.clone(), value));
                    }
                }
                (Value::Object(given.into_iter().collect()), returned.into())
            }
            Self::Variant(cases) => match rng.choose(cases) {
                (name, None) => same(name.as_str().into()),
                (name, Some(ty)) => single(name, ty.value(rng)),
            },
            Self::Enum(names) => same(rng.choose(names).as_str().into()),
            Self::Flags(names) => {
                let set: Vec<_> = names.iter().filter(|_| rng.bool()).cloned().collect();
                let mut given = Vec::new();
                for name in &set {
                    let at = rng.below(given.len() + 1);
                    given.insert(at, name.clone());
                }
                (given.into(), set.into())
            }
            Self::Option(_) if rng.below(3) == 0 => same(Value::Null),
            Self::Option(ty) if matches!(**ty, Self::Option(_)) => single("some", ty.value(rng)),
            Self::Option(ty) => ty.value(rng),
            Self::Result(ok, error) => {
                let (name, ty) = if rng.bool() {
                    ("ok", ok)
                } else {
                    ("error", error)
                };
                let payload = ty.as_ref().map(|ty| ty.value(rng));
                single(name, payload.unwrap_or_default())
            }
        }
    }
}

fn single(name: &str, (given, returned): (Value, Value)) -> (Value, Value) {
    (json!({ name: given }), json!({ name: returned }))
}

fn pair(items: impl Iterator<Item = (Value, Value)>) -> (Value, Value) {
    let (given, returned): (Vec<_>, Vec<_>) = items.unzip();
    (given.into(), returned.into())
}

fn integer(rng: &mut Rng, min: i128, max: i128, wide: bool) -> (Value, Value) {
    const EXACT: i128 = (1 << 53) - 1;
    let value = match rng.below(4) {
        0 => *rng.choose(&[min, max, 0, min + 1, max - 1]),
        1 => *rng.choose(&[EXACT, EXACT + 1, -EXACT, -EXACT - 1, EXACT + 2]),
        2 => rng.below(100) as i128,
        _ => i128::from(rng.bits() as i64),
    };
    let value = value.clamp(min, max);
    let digits = Value::from(value.to_string());
    if wide && !(-EXACT..=EXACT).contains(&value) {
        return (digits.clone(), digits);
    }
    let returned = Value::from(value as i64);
    let given = match rng.below(4) {
        0 => Value::from(value as f64),
        1 if wide => digits,
        _ => returned.clone(),
    };
    (given, returned)
}

fn number(float: f64) -> Value {
    if float.is_finite() {
        float.into()
    } else if float.is_nan() {
        "NaN".into()
    } else if float > 0.0 {
        "Infinity".into()
    } else {
        "-Infinity".into()
    }
}

fn char(rng: &mut Rng) -> char {
    let at = match rng.below(3) {
        0 => {
            return *rng.choose(&[
                '\0',
                '"',
                '\\',
                '\u{d7ff}',
                '\u{e000}',
                '\u{fffd}',
                '\u{10ffff}',
                '\u{301}',
            ]);
        }
        1 => 32 + rng.below(95),
        _ => rng.below(0x11_0000),
    };
    char::from_u32(at as u32).unwrap_or('-')
}
