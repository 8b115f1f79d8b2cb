use super::*;
use crate::{
    clock::SystemClock,
    compile::Manifests,
    store::{CustomerTurn, RoundCommit, RoundRequest, memory::Memory},
};
use std::{collections::BTreeMap, fs, sync::Arc};
use uuid::Uuid;

const NAMESPACE: &str = "shop";
const MANIFESTS: &str = r#"
apiVersion: journey.dev/v1alpha1
kind: CustomerProfile
metadata: {name: shop}
spec:
  attributes:
    email: {type: string, personal: true}
    tier: {type: string, values: [none, gold]}
    orders: {type: integer}
    loyal: {type: boolean, is: customer.orders > 3}
    since: {type: timestamp}
---
apiVersion: journey.dev/v1alpha1
kind: PrivacyPolicy
metadata: {name: shop}
spec:
  purposes:
  - {name: marketing, basis: Consent, attributes: [email]}
"#;

struct Desk {
    store: Memory,
    keys: Keys,
    folder: tempfile::TempDir,
}

impl Desk {
    async fn open() -> Self {
        let store = Memory::new(Arc::new(SystemClock));
        let mut manifests = Manifests {
            namespace: NAMESPACE.into(),
            ..Manifests::default()
        };
        manifests.read(MANIFESTS, "shop.yaml").unwrap();
        store
            .put_settings(NAMESPACE, &serde_json::to_value(manifests).unwrap())
            .await
            .unwrap();
        Self {
            store,
            keys: Keys::ephemeral(),
            folder: tempfile::tempdir().unwrap(),
        }
    }

    async fn import(&self, file: &str, text: &str, flags: &[&str]) -> anyhow::Result<Summary> {
        let path = self.folder.path().join(file);
        fs::write(&path, text).unwrap();
        let base = [
            "import",
            "customers",
            path.to_str().unwrap(),
            "--namespace",
            NAMESPACE,
            "--database",
            "postgres://x",
            "--keys",
            "x",
        ];
        let Parsed { args } = clap::Parser::parse_from(base.iter().chain(flags));
        let What::Customers(args) = args.what;
        customers(&self.store, &self.keys, &args.namespace, &args.how).await
    }

    /// What the store knows of a customer, seen by a journey that an event of theirs reaches.
    async fn customer(&self, id: &str) -> Option<crate::store::Customer> {
        let row = crate::store::JourneyRow {
            journey: "spy".into(),
            revision: "a".into(),
            suspended: false,
            listens: ["look".to_owned()].into(),
            body: serde_json::Value::Null,
        };
        self.store.put_journey(NAMESPACE, &row).await.unwrap();
        let arrival = crate::store::Arrival {
            key: Uuid::new_v4().into_bytes(),
            id: String::new().into(),
            name: "look".into(),
            customer: self.keys.customer(NAMESPACE, "userId", id),
            customer_id: None,
            anonymous: false,
            known_as: vec![],
            time: clock::now(),
            data: serde_json::Map::new().into(),
            said: vec![],
            unreadable: Default::default(),
            about: None,
            listeners: vec!["spy".into()],
            suppresses: None,
        };
        self.store.accept(NAMESPACE, &[arrival], &|_, _| vec![]).await.unwrap();
        let hold = self
            .store
            .join(NAMESPACE, "spy", Uuid::new_v4(), Duration::from_secs(60))
            .await
            .unwrap();
        let mut found = None;
        let request = RoundRequest {
            limit: 10,
            ..RoundRequest::default()
        };
        self.store
            .round(&hold, &request, &mut |round| {
                let mut consumed = vec![];
                for CustomerTurn { customer, inbox, .. } in round.customers {
                    consumed.extend(inbox.iter().map(|(sequence, _)| *sequence));
                    found = Some(customer);
                }
                RoundCommit {
                    consumed,
                    ..RoundCommit::default()
                }
            })
            .await
            .unwrap();
        self.store.leave(NAMESPACE, "spy", hold.owner).await.unwrap();
        found
    }

    fn rejected(&self, file: &str) -> Vec<serde_json::Value> {
        let text = fs::read_to_string(self.folder.path().join(format!("{file}.rejected.jsonl"))).unwrap();
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }
}

#[derive(clap::Parser)]
struct Parsed {
    #[command(flatten)]
    args: ImportArgs,
}

#[tokio::test]
async fn a_csv_file_becomes_customers_with_typed_attributes_and_consents() {
    let desk = Desk::open().await;
    let text = "userId,email,tier,orders,since,consent.marketing,consent.marketing.at,consent.marketing.evidence\n\
        ada,ada@example.com,gold,3,2026-01-02T03:04:05+01:00,true,2026-02-01T00:00:00Z,\"form, 2026\"\n\
        bob,,,,,,,\n";
    let summary = desk.import("customers.csv", text, &[]).await.unwrap();
    assert_eq!((summary.imported, summary.rejected), (2, 0));
    let ada = desk.customer("ada").await.unwrap();
    let known = serde_json::Value::Object(ada.attributes.expose().clone());
    assert_eq!(
        known,
        json!({"email": "ada@example.com", "tier": "gold", "orders": 3, "since": "2026-01-02T02:04:05Z"})
    );
    assert!(ada.consents["marketing"].is_granted());
    assert_eq!(
        ada.consents["marketing"].at,
        "2026-02-01T00:00:00Z"
            .parse::<jiff::Timestamp>()
            .unwrap()
            .as_microsecond()
    );
    let bob = desk.customer("bob").await.unwrap();
    assert_eq!((bob.attributes.expose().len(), bob.consents), (0, BTreeMap::new()));
}

#[tokio::test]
async fn json_lines_say_the_same_and_null_forgets_an_attribute() {
    let desk = Desk::open().await;
    let text = "{\"userId\":\"ada\",\"attributes\":{\"email\":\"a@example.com\",\"tier\":\"gold\"},\
        \"consents\":{\"marketing\":{\"granted\":true,\"at\":\"2026-02-01T00:00:00Z\",\"evidence\":\"form\"}}}\n\n{\"userId\":\"bob\"}";
    assert_eq!(desk.import("customers.jsonl", text, &[]).await.unwrap().imported, 2);
    desk.import("more", "{\"userId\":\"ada\",\"attributes\":{\"email\":null}}", &[])
        .await
        .unwrap();
    let ada = desk.customer("ada").await.unwrap();
    assert_eq!(
        serde_json::Value::Object(ada.attributes.expose().clone()),
        json!({"tier": "gold"})
    );
    assert!(ada.consents["marketing"].is_granted());
}

#[tokio::test]
async fn bad_rows_are_told_by_line_and_reason_without_a_value_and_the_rest_goes_on() {
    let desk = Desk::open().await;
    let text = "userId,email,orders,consent.marketing,consent.marketing.at\n\
        ada,secret@example.com,many,,\n\
        ,secret@example.com,1,,\n\
        bob,secret@example.com,1,perhaps,2026-02-01T00:00:00Z\n\
        cem,secret@example.com,1,true,\n\
        dot,secret@example.com,1,true,2026-02-01T00:00:00Z\n\
        eve,secret@example.com,1,true,2999-02-01T00:00:00Z\n\
        fay,secret@example.com\n\
        gus,secret@example.com,1,false,2026-02-01T00:00:00Z\n";
    let summary = desk.import("bad.csv", text, &[]).await.unwrap();
    assert_eq!((summary.imported, summary.rejected), (1, 7));
    assert!(desk.customer("gus").await.is_some());
    let told = desk.rejected("bad.csv");
    assert_eq!(
        told.iter().map(|row| row["line"].as_u64().unwrap()).collect::<Vec<_>>(),
        [2, 3, 4, 5, 6, 7, 8]
    );
    for (row, says) in told.iter().zip([
        "orders does not fit",
        "userId is missing",
        "must be true or false",
        "at is missing",
        "evidence is missing",
        "in the future",
        "has 2 fields",
    ]) {
        let reason = row["reason"].as_str().unwrap();
        assert!(reason.contains(says), "{reason}");
        assert!(!reason.contains("secret") && !reason.contains("many"));
    }
}

#[tokio::test]
async fn a_column_that_nobody_knows_stops_the_import_before_it_begins() {
    let desk = Desk::open().await;
    let text = "userId,mail,consent.selling\nada,a@example.com,true\n";
    let error = desk.import("a.csv", text, &[]).await.unwrap_err().to_string();
    assert!(
        error.contains("mail, consent.selling") && error.contains("--skip"),
        "{error}"
    );
    assert!(desk.customer("ada").await.is_none());
    let flags = ["--skip", "mail", "--skip", "consent.selling"];
    assert_eq!(desk.import("a.csv", text, &flags).await.unwrap().imported, 1);
    assert!(desk.import("b.csv", "email\na@example.com\n", &[]).await.is_err());
}

#[tokio::test]
async fn a_file_that_was_read_is_not_read_again() {
    let desk = Desk::open().await;
    let text: String = (0..1_203)
        .map(|n| format!("{{\"userId\":\"u{n}\",\"attributes\":{{\"orders\":{n}}}}}\n"))
        .collect();
    assert_eq!(desk.import("a.jsonl", &text, &[]).await.unwrap().imported, 1_203);
    let again = desk.import("renamed.jsonl", &text, &[]).await.unwrap();
    assert_eq!((again.imported, again.skipped), (0, 1_203));
    let longer = format!("{text}{{\"userId\":\"new\"}}\n");
    assert_eq!(desk.import("a.jsonl", &longer, &[]).await.unwrap().imported, 1_204);
}

#[tokio::test]
async fn evidence_for_a_whole_file_is_a_flag() {
    let desk = Desk::open().await;
    let text = "userId,consent.marketing,consent.marketing.at\nada,true,2026-02-01T00:00:00Z\n";
    let summary = desk
        .import("a.csv", text, &["--evidence", "CRM export of 2026-03-01"])
        .await
        .unwrap();
    assert_eq!((summary.imported, summary.rejected), (1, 0));
    assert!(desk.customer("ada").await.unwrap().consents["marketing"].is_granted());
}

#[tokio::test]
async fn a_derived_attribute_is_not_imported() {
    let desk = Desk::open().await;
    let error = desk.import("d.csv", "userId,loyal\nada,true\n", &[]).await.unwrap_err();
    assert!(
        error.to_string().contains("the column loyal is a derived attribute"),
        "{error:#}"
    );
    let text = "{\"userId\":\"ada\",\"attributes\":{\"loyal\":true}}\n{\"userId\":\"bob\",\"attributes\":{\"loyal\":null}}\n{\"userId\":\"cem\"}";
    let summary = desk.import("d.jsonl", text, &[]).await.unwrap();
    assert_eq!((summary.imported, summary.rejected), (1, 2));
}
