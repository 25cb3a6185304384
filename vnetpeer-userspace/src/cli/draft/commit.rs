//! Commits of network managers in a document's values.

use serde_json::{Value, json};

/// The manager with this ARM id in their list. Of several that could be it, the one that says most is.
pub(super) fn manager<'v>(managers: &'v mut [Value], id: &str) -> Option<&'v mut Value> {
    let mut matching: Vec<(usize, &mut Value)> =
        managers.iter_mut().filter_map(|it| Some((likeness(it, id)?, it))).collect();
    matching.sort_by_key(|(likeness, _)| *likeness);
    matching.pop().map(|(_, manager)| manager)
}

/// How much an entry says of an ARM id; `None` if it is another's.
fn likeness(entry: &Value, id: &str) -> Option<usize> {
    let segments: Vec<&str> = id.split('/').collect();
    let ["", _, subscription, _, group, _, _, _, name] = segments.as_slice() else { return None };
    let parts =
        [("id", id), ("name", *name), ("subscription", *subscription), ("resourceGroup", *group)];
    let mut said = 0;
    for (key, value) in parts {
        match entry.get(key).and_then(Value::as_str) {
            Some(it) if it.eq_ignore_ascii_case(value) => said += 1,
            Some(_) => return None,
            None => {}
        }
    }
    (said > 0).then_some(said)
}

/// Adds a commit with these properties, and takes its regions from the others of its type.
pub(super) fn add(commits: &mut Vec<Value>, properties: &Value) {
    let fold = |it: &Value| it.as_str().map(|it| it.replace(' ', "").to_ascii_lowercase());
    let locations = |it: &Value| -> Vec<Option<String>> {
        let list = it.get("targetLocations").and_then(Value::as_array);
        list.into_iter().flatten().map(fold).collect()
    };
    let taken = locations(properties);
    let kind = properties.get("commitType").cloned();
    for commit in commits.iter_mut().filter_map(|it| it.get_mut("properties")) {
        if commit.get("commitType") == kind.as_ref()
            && let Some(list) = commit.get_mut("targetLocations").and_then(Value::as_array_mut)
        {
            list.retain(|it| !taken.contains(&fold(it)));
        }
    }
    commits.retain(|it| it.get("properties").is_none_or(|it| !locations(it).is_empty()));
    let kind = kind.as_ref().and_then(Value::as_str).unwrap_or("commit").to_ascii_lowercase();
    let is_free = |name: &String| {
        let names = commits.iter().filter_map(|it| it.get("name")).filter_map(Value::as_str);
        !names.into_iter().any(|it| it.eq_ignore_ascii_case(name))
    };
    let name = (1..=commits.len() + 1).map(|number| format!("{kind}-{number}")).find(is_free);
    commits.push(json!({ "name": name, "properties": properties }));
}

#[cfg(test)]
mod tests {
    use super::*;

    fn commit(kind: &str, locations: &[&str], configurations: &[&str]) -> Value {
        json!({
            "commitType": kind,
            "targetLocations": locations,
            "configurationIds": configurations,
        })
    }

    #[test]
    fn a_commit_replaces_what_its_regions_had_of_its_type() {
        let mut commits = Vec::new();
        add(&mut commits, &commit("Connectivity", &["westeurope", "West US"], &["a"]));
        add(&mut commits, &commit("SecurityAdmin", &["westeurope"], &["rules"]));
        add(&mut commits, &commit("Connectivity", &["WestEurope"], &["b"]));
        let seen: Vec<(&str, &Value)> =
            commits.iter().map(|it| (it["name"].as_str().unwrap(), &it["properties"])).collect();
        assert_eq!(
            seen,
            [
                ("connectivity-1", &commit("Connectivity", &["West US"], &["a"])),
                ("securityadmin-1", &commit("SecurityAdmin", &["westeurope"], &["rules"])),
                ("connectivity-2", &commit("Connectivity", &["WestEurope"], &["b"])),
            ]
        );
        add(&mut commits, &commit("Connectivity", &["westus", "westeurope"], &[]));
        assert_eq!(commits.len(), 2);
    }

    #[test]
    fn a_manager_is_found_by_what_its_entry_says() {
        let id = "/subscriptions/s/resourceGroups/g/providers/Microsoft.Network/networkManagers/nm";
        let mut managers = [
            json!({ "name": "nm" }),
            json!({ "name": "nm", "resourceGroup": "other" }),
            json!({ "name": "NM", "resourceGroup": "G" }),
            json!({ "name": "x" }),
        ];
        let found = manager(&mut managers, id).unwrap();
        assert_eq!(found["resourceGroup"], "G");
        assert!(manager(&mut managers[3..], id).is_none());
    }
}
