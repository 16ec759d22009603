//! What it may take to check against a schema: how many of its subschemas judge one place, at any depth of what is checked.
//! A stranger wrote it, so that is reckoned before anything is compiled, without recursion (T35, TOOL-7).

use std::collections::HashMap;

use serde_json::Value;

/// Subschemas that one place may be held against.
const APPLIED: u64 = 500;
/// What is checked is no deeper: the strict reader sees to it.
const DEPTH: usize = 64;
/// So many subschemas that judge the same place may stand inside one another, references followed: each is a call inside a
/// call while checking, at every depth.
const INSIDE: usize = 16;
/// Regular expressions in one schema. Each may take up to [`super::EXPRESSION`] bytes.
pub(super) const EXPRESSIONS: usize = 100;

/// Keywords whose subschemas judge the very same place.
const SEVERAL: [&str; 3] = ["allOf", "anyOf", "oneOf"];
const ONE: [&str; 4] = ["not", "if", "then", "else"];
const NAMED: [&str; 2] = ["dependentSchemas", "dependencies"];
/// Keywords of which one subschema judges a child that no other of its line judges.
const MEMBERS: [&str; 2] = ["properties", "additionalProperties"];
const ITEMS: [&str; 3] = ["items", "prefixItems", "additionalItems"];
/// Keywords that judge children whoever else does, and children of what.
const BESIDES: [(&str, usize); 4] = [
    ("contains", ARRAY),
    ("propertyNames", OBJECT),
    ("unevaluatedProperties", OBJECT),
    ("unevaluatedItems", ARRAY),
];

/// A subschema: who judges the same place, and who the members of an object or the items of an array, in groups of which a child
/// meets one each.
#[derive(Default)]
struct Node {
    here: Vec<usize>,
    below: [Vec<Vec<usize>>; KINDS],
}

/// What has children: one place is an object or an array, never both.
const KINDS: usize = 2;
const OBJECT: usize = 0;
const ARRAY: usize = 1;

/// The subschemas that can be reached from the root, references followed.
struct Graph<'s> {
    root: &'s Value,
    found: HashMap<*const Value, usize>,
    places: Vec<&'s Value>,
    nodes: Vec<Node>,
    expressions: usize,
}

/// Whether checking against `schema` stays within bounds.
pub(super) fn is_bounded(schema: &Value) -> bool {
    let Some(graph) = Graph::of(schema) else { return false };
    let Some(order) = graph.inside_first() else { return false };
    graph.expressions <= EXPRESSIONS && graph.most_applied(&order) <= APPLIED
}

impl<'s> Graph<'s> {
    /// `None` when a reference leads to nothing here.
    fn of(root: &'s Value) -> Option<Self> {
        let mut graph = Self { root, found: HashMap::new(), places: vec![], nodes: vec![], expressions: 0 };
        graph.node(root);
        while let Some(place) = graph.places.get(graph.nodes.len()) {
            let node = graph.read(place)?;
            graph.nodes.push(node);
        }
        Some(graph)
    }

    fn node(&mut self, place: &'s Value) -> usize {
        let next = self.places.len();
        let known = *self.found.entry(std::ptr::from_ref(place)).or_insert(next);
        if known == next {
            self.places.push(place);
        }
        known
    }

    fn read(&mut self, place: &'s Value) -> Option<Node> {
        let mut node = Node::default();
        let Value::Object(members) = place else { return Some(node) };
        let (mut named, mut listed) = (vec![], vec![]);
        for (keyword, value) in members {
            let keyword = keyword.as_str();
            match value {
                Value::Array(several) if SEVERAL.contains(&keyword) => {
                    node.here.extend(several.iter().map(|one| self.node(one)));
                }
                Value::Object(several) if NAMED.contains(&keyword) => {
                    node.here.extend(several.values().map(|one| self.node(one)));
                }
                Value::String(target) if ["$ref", "$dynamicRef", "$recursiveRef"].contains(&keyword) => {
                    let pointer = target.strip_prefix('#')?;
                    let target = self.root.pointer(pointer)?;
                    node.here.push(self.node(target));
                }
                Value::Object(several) if keyword == "patternProperties" => {
                    self.expressions += several.len();
                    node.below[OBJECT].extend(several.values().map(|one| vec![self.node(one)]));
                }
                Value::Object(several) if keyword == "properties" => {
                    named.extend(several.values().map(|one| self.node(one)));
                }
                Value::Array(several) if ITEMS.contains(&keyword) => {
                    listed.extend(several.iter().map(|one| self.node(one)));
                }
                value if ONE.contains(&keyword) => node.here.push(self.node(value)),
                value if MEMBERS.contains(&keyword) => named.push(self.node(value)),
                value if ITEMS.contains(&keyword) => listed.push(self.node(value)),
                value => match BESIDES.into_iter().find(|(besides, _)| *besides == keyword) {
                    Some((_, kind)) => node.below[kind].push(vec![self.node(value)]),
                    None => self.expressions += usize::from(keyword == "pattern"),
                },
            }
        }
        node.below[OBJECT].push(named);
        node.below[ARRAY].push(listed);
        Some(node)
    }

    /// The subschemas in an order in which those that judge the same place come before the one that they stand in. `None` for a
    /// circle that never goes down into what is checked, and when they stand too deep inside one another.
    fn inside_first(&self) -> Option<Vec<usize>> {
        let (mut height, mut order) = (vec![0; self.nodes.len()], Vec::with_capacity(self.nodes.len()));
        let mut waits: Vec<usize> = self.nodes.iter().map(|node| node.here.len()).collect();
        let mut stands_in = vec![vec![]; self.nodes.len()];
        for (outer, node) in self.nodes.iter().enumerate() {
            node.here.iter().for_each(|inner| stands_in[*inner].push(outer));
        }
        let mut ready: Vec<usize> = (0..waits.len()).filter(|node| waits[*node] == 0).collect();
        while let Some(inner) = ready.pop() {
            order.push(inner);
            for outer in &stands_in[inner] {
                height[*outer] = height[*outer].max(height[inner] + 1);
                waits[*outer] -= 1;
                if waits[*outer] == 0 {
                    ready.push(*outer);
                }
            }
        }
        let fits = height.iter().all(|height| *height <= INSIDE);
        (order.len() == self.nodes.len() && fits).then_some(order)
    }

    /// The most subschemas that any place is held against, at the root and at every depth below.
    fn most_applied(&self, order: &[usize]) -> u64 {
        let mut above = vec![[0_u64; KINDS]; self.nodes.len()];
        let mut most = 0;
        for depth in 0..=DEPTH {
            let mut now = vec![[0_u64; KINDS]; self.nodes.len()];
            for place in order {
                let node = &self.nodes[*place];
                for kind in [OBJECT, ARRAY] {
                    let of = |child: &usize| above[*child].into_iter().max();
                    let dearest = |group: &Vec<usize>| group.iter().filter_map(of).max();
                    let own = if depth == 0 { 1 } else { sum(node.below[kind].iter().filter_map(dearest)) };
                    let here = sum(node.here.iter().map(|inner| now[*inner][kind]));
                    now[*place][kind] = own.saturating_add(here);
                }
            }
            most = now[0].into_iter().fold(most, u64::max);
            above = now;
        }
        most
    }
}

fn sum(numbers: impl Iterator<Item = u64>) -> u64 {
    numbers.fold(0, u64::saturating_add)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    /// TOOL-7, T35: what judges one child twice and comes back to itself doubles at every level
    #[test]
    fn what_multiplies_on_the_way_down_is_refused() {
        let circle = json!({"$ref": "#"});
        for schema in [
            json!({"patternProperties": {"a": circle, "^a": circle}}),
            json!({"properties": {"a": circle}, "patternProperties": {"a": circle}}),
            json!({"items": circle, "contains": circle}),
            json!({"anyOf": [{"properties": {"a": circle}}, {"properties": {"a": circle}}]}),
            json!({"properties": {"a": circle}, "unevaluatedProperties": circle}),
        ] {
            assert!(!is_bounded(&schema), "{schema}");
        }
        for schema in [
            json!({"properties": {"left": circle, "right": circle}, "additionalProperties": circle}),
            json!({"items": circle, "prefixItems": [circle, circle], "minItems": 1}),
            json!({"oneOf": [{"type": "string"}, {"type": "array", "items": circle}, {"properties": {"a": circle}}]}),
        ] {
            assert!(is_bounded(&schema), "{schema}");
        }
    }

    /// T35: a chain of references joins what is nested too little by itself
    #[test]
    fn a_long_chain_is_refused_and_needs_no_stack() {
        let mut schema = serde_json::Map::new();
        for link in 0..5_000 {
            schema.insert(format!("a{link}"), json!({"not": {"$ref": format!("#/a{}", link + 1)}}));
        }
        schema.insert("a5000".to_owned(), json!({}));
        schema.insert("$ref".to_owned(), json!("#/a0"));
        assert!(!is_bounded(&Value::Object(schema)));
    }
}
