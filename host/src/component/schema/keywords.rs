//! Parses the keywords of one subschema.

use serde_json::{Map, Number, Value};

use super::defect::{Defect, Segment};
use super::message::quote;
use super::node::{Conditional, Contains, Items, Keyword, Limit, NodeId, Properties, Size, Types};
use super::parser::Parser;

/// Keywords that only describe, with the type of their value.
const ANNOTATIONS: [(&str, &str); 9] = [
    ("title", "string"),
    ("description", "string"),
    ("$comment", "string"),
    ("format", "string"),
    ("contentEncoding", "string"),
    ("contentMediaType", "string"),
    ("deprecated", "boolean"),
    ("readOnly", "boolean"),
    ("writeOnly", "boolean"),
];

const LIMITS: [(&str, Limit); 4] = [
    ("minimum", Limit::Minimum),
    ("maximum", Limit::Maximum),
    ("exclusiveMinimum", Limit::ExclusiveMinimum),
    ("exclusiveMaximum", Limit::ExclusiveMaximum),
];

const SIZES: [(&str, Size); 6] = [
    ("minLength", Size::MinLength),
    ("maxLength", Size::MaxLength),
    ("minItems", Size::MinItems),
    ("maxItems", Size::MaxItems),
    ("minProperties", Size::MinProperties),
    ("maxProperties", Size::MaxProperties),
];

impl<'s> Parser<'s, '_> {
    /// Parses the keywords of a node, except references and identifiers.
    ///
    /// # Errors
    /// The first keyword with an invalid value.
    pub(super) fn keywords(
        &mut self,
        node: NodeId,
        members: &'s Map<String, Value>,
    ) -> Result<Vec<Keyword>, Defect> {
        let mut keywords = Keywords {
            parser: self,
            node,
            members,
            parsed: Vec::new(),
        };
        keywords.assertions()?;
        keywords.applicators()?;
        keywords.parsed.shrink_to_fit();
        Ok(keywords.parsed)
    }
}

/// The keywords of one node while they are parsed.
struct Keywords<'s, 'k, 'p> {
    parser: &'k mut Parser<'s, 'p>,
    node: NodeId,
    members: &'s Map<String, Value>,
    parsed: Vec<Keyword>,
}

impl<'s> Keywords<'s, '_, '_> {
    fn assertions(&mut self) -> Result<(), Defect> {
        for (name, expected) in ANNOTATIONS {
            if let Some(value) = self.members.get(name)
                && Types::named(expected).is_some_and(|types| !types.intersects(Types::of(value)))
            {
                return Err(Defect::wrong_type(value, &format!("{expected:?}")).below(name));
            }
        }
        if let Some(examples) = self.members.get("examples") {
            array(examples).map_err(|e| e.below("examples"))?;
        }
        if let Some(types) = self.members.get("type") {
            let types = parse_types(types).map_err(|e| e.below("type"))?;
            self.parsed.push(Keyword::Type(types));
        }
        if let Some(value) = self.members.get("const") {
            self.parsed.push(Keyword::Const(Box::new(value.clone())));
        }
        if let Some(values) = self.members.get("enum") {
            let values = array(values).map_err(|e| e.below("enum"))?;
            self.parsed.push(Keyword::Enum(values.as_slice().into()));
        }
        for (name, limit) in LIMITS {
            if let Some(value) = self.members.get(name) {
                let value = number(value).map_err(|e| e.below(name))?;
                self.parsed.push(Keyword::Limit(limit, value.clone()));
            }
        }
        if let Some(value) = self.members.get("multipleOf") {
            let divisor = number(value).map_err(|e| e.below("multipleOf"))?;
            if divisor.as_f64().is_none_or(|divisor| divisor <= 0.0) {
                let problem = format!("{divisor} is less than or equal to the minimum of 0");
                return Err(Defect::new(problem).below("multipleOf"));
            }
            self.parsed.push(Keyword::MultipleOf(divisor.clone()));
        }
        for (name, size) in SIZES {
            if let Some(count) = self.count(name)? {
                self.parsed.push(Keyword::Size(size, count));
            }
        }
        if let Some(source) = self.members.get("pattern") {
            let pattern = self.pattern(source).map_err(|e| e.below("pattern"))?;
            self.parsed.push(Keyword::Pattern(pattern));
        }
        match self.members.get("uniqueItems") {
            Some(Value::Bool(true)) => self.parsed.push(Keyword::UniqueItems),
            None | Some(Value::Bool(false)) => {}
            Some(other) => {
                return Err(Defect::wrong_type(other, "\"boolean\"").below("uniqueItems"));
            }
        }
        if let Some(names) = self.members.get("required") {
            let names = strings(names).map_err(|e| e.below("required"))?;
            self.parsed.push(Keyword::Required(names));
        }
        if let Some(map) = self.object("dependentRequired")? {
            let names = map.iter().map(|(name, required)| {
                let located = |e: Defect| e.below(name.as_str()).below("dependentRequired");
                Ok((name.clone(), strings(required).map_err(located)?))
            });
            let names = names.collect::<Result<_, Defect>>()?;
            self.parsed.push(Keyword::DependentRequired(names));
        }
        Ok(())
    }

    fn applicators(&mut self) -> Result<(), Defect> {
        type OfNodes = fn(Box<[NodeId]>) -> Keyword;
        let lists: [(_, OfNodes); 3] = [
            ("allOf", Keyword::AllOf),
            ("anyOf", Keyword::AnyOf),
            ("oneOf", Keyword::OneOf),
        ];
        self.schema_map("$defs")?;
        self.schema_map("definitions")?;
        self.schema("contentSchema");
        self.properties()?;
        if let Some(names) = self.schema("propertyNames") {
            self.parsed.push(Keyword::PropertyNames(names));
        }
        let prefix = self.schema_list("prefixItems")?.unwrap_or_default();
        let rest = self.schema("items");
        if !prefix.is_empty() || rest.is_some() {
            let items = Box::new(Items { prefix, rest });
            self.parsed.push(Keyword::Items(items));
        }
        let (min, max) = (self.count("minContains")?, self.count("maxContains")?);
        if let Some(item) = self.schema("contains") {
            let min = min.unwrap_or(1);
            let contains = Box::new(Contains { item, min, max });
            self.parsed.push(Keyword::Contains(contains));
        }
        for (name, keyword) in lists {
            if let Some(schemas) = self.schema_list(name)? {
                self.parsed.push(keyword(schemas.into()));
            }
        }
        if let Some(not) = self.schema("not") {
            self.parsed.push(Keyword::Not(not));
        }
        let (then, otherwise) = (self.schema("then"), self.schema("else"));
        if let Some(condition) = self.schema("if") {
            self.parsed.push(Keyword::If(Box::new(Conditional {
                condition,
                then,
                otherwise,
            })));
        }
        if let Some(schemas) = self.schema_map("dependentSchemas")? {
            let schemas = schemas.into_iter().map(|(name, id)| (name.to_owned(), id));
            self.parsed
                .push(Keyword::DependentSchemas(schemas.collect()));
        }
        if let Some(schema) = self.schema("unevaluatedProperties") {
            self.parsed.push(Keyword::UnevaluatedProperties(schema));
        }
        if let Some(schema) = self.schema("unevaluatedItems") {
            self.parsed.push(Keyword::UnevaluatedItems(schema));
        }
        Ok(())
    }

    fn properties(&mut self) -> Result<(), Defect> {
        let named = self.schema_map("properties")?;
        let patterns = self.schema_map("patternProperties")?;
        let additional = self.schema("additionalProperties");
        if named.is_none() && patterns.is_none() && additional.is_none() {
            return Ok(());
        }
        let named = named.unwrap_or_default().into_iter();
        let mut properties = Properties {
            named: named.map(|(name, id)| (name.to_owned(), id)).collect(),
            by_pattern: Vec::new(),
            additional,
        };
        for (source, id) in patterns.unwrap_or_default() {
            let pattern = self.parser.pattern(source);
            let pattern =
                pattern.map_err(|e| pattern_defect(source, &e).below("patternProperties"))?;
            properties.by_pattern.push((pattern, id));
        }
        self.parsed.push(Keyword::Properties(Box::new(properties)));
        Ok(())
    }

    /// Returns the node of a keyword that has a schema as its value.
    fn schema(&mut self, name: &'static str) -> Option<NodeId> {
        let schema = self.members.get(name)?;
        Some(self.subschema(schema, Segment::Keyword(name)))
    }

    fn schema_list(&mut self, name: &'static str) -> Result<Option<Vec<NodeId>>, Defect> {
        let Some(schemas) = self.members.get(name) else {
            return Ok(None);
        };
        let schemas = array(schemas).map_err(|e| e.below(name))?;
        if schemas.is_empty() {
            return Err(Defect::new("[] has less than 1 item").below(name));
        }
        let schemas = schemas.iter().enumerate();
        let nodes =
            schemas.map(|(index, schema)| self.subschema(schema, Segment::Item(name, index)));
        Ok(Some(nodes.collect()))
    }

    fn schema_map(&mut self, name: &'static str) -> Result<Option<Vec<(&'s str, NodeId)>>, Defect> {
        let Some(schemas) = self.object(name)? else {
            return Ok(None);
        };
        let nodes = schemas.iter().map(|(key, schema)| {
            let id = self.subschema(schema, Segment::Member(name, key));
            (key.as_str(), id)
        });
        Ok(Some(nodes.collect()))
    }

    fn subschema(&mut self, schema: &'s Value, segment: Segment<'s>) -> NodeId {
        let resource = self.parser.resource_of(self.node);
        let location = Parser::below(self.node, segment);
        self.parser.node(schema, resource, location)
    }

    fn object(&self, name: &'static str) -> Result<Option<&'s Map<String, Value>>, Defect> {
        match self.members.get(name) {
            None => Ok(None),
            Some(Value::Object(members)) => Ok(Some(members)),
            Some(other) => Err(Defect::wrong_type(other, "\"object\"").below(name)),
        }
    }

    fn count(&self, name: &'static str) -> Result<Option<u64>, Defect> {
        let Some(value) = self.members.get(name) else {
            return Ok(None);
        };
        let number = number(value).map_err(|e| e.below(name))?;
        // `2.0` is an integer too.
        let float = number.as_f64().filter(|f| f.fract() == 0.0 && *f >= 0.0);
        let count = number.as_u64().or(float.map(|float| float as u64));
        count
            .map(Some)
            .ok_or_else(|| Defect::new(format!("{value} is not an integer from 0 on")).below(name))
    }

    fn pattern(&mut self, source: &'s Value) -> Result<u32, Defect> {
        let text = source.as_str();
        let text = text.ok_or_else(|| Defect::wrong_type(source, "\"string\""))?;
        let pattern = self.parser.pattern(text);
        pattern.map_err(|problem| Defect::new(format!("{} {problem}", quote(source))))
    }
}

fn pattern_defect(source: &str, problem: &str) -> Defect {
    Defect::new(format!("{} {problem}", quote(&source.into()))).below(source)
}

fn parse_types(types: &Value) -> Result<Types, Defect> {
    let named = |name: &Value| {
        let types = name.as_str().and_then(Types::named);
        types.ok_or_else(|| Defect::new(format!("{} is not the name of a type", quote(name))))
    };
    let Value::Array(names) = types else {
        return named(types);
    };
    if names.is_empty() {
        return Err(Defect::new("[] has less than 1 item"));
    }
    let mut all = Types::default();
    for (index, name) in names.iter().enumerate() {
        all = all.union(named(name).map_err(|e| e.below(index.to_string()))?);
    }
    Ok(all)
}

fn number(value: &Value) -> Result<&Number, Defect> {
    let number = value.as_number();
    number.ok_or_else(|| Defect::wrong_type(value, "\"number\""))
}

fn array(value: &Value) -> Result<&Vec<Value>, Defect> {
    let array = value.as_array();
    array.ok_or_else(|| Defect::wrong_type(value, "\"array\""))
}

fn strings(value: &Value) -> Result<Box<[String]>, Defect> {
    let strings = array(value)?.iter().enumerate().map(|(index, string)| {
        let text = string.as_str().map(str::to_owned);
        text.ok_or_else(|| Defect::wrong_type(string, "\"string\"").below(index.to_string()))
    });
    strings.collect()
}
