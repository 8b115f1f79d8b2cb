//! Where data may be processed, and who processes it there.

use super::text::{Line, Region};
use kube::KubeSchema;
use serde::{Deserialize, Serialize};

/// Where the data of the journeys governed may be processed (GDPR chapter V: transfers).
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
pub struct Residency {
    /// Regions, as the nodes' label topology.kubernetes.io/region names them. Runners and the gateway run there and nowhere else, and every
    /// adapter by which a governed journey sends says that its processor is there; else nothing is sent. Of several policies what all name.
    #[schemars(length(min = 1, max = 32))]
    #[x_kube(merge_strategy = ListMerge::Set)]
    pub regions: Vec<Region>,
}

/// Who processes what is handed over (GDPR article 28), and where.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
pub struct Processor {
    /// Who it is, as the record of processing activities names it (GDPR article 30).
    pub name: Line,
    /// All regions in which it may process the data, by the names that policies use.
    #[schemars(length(min = 1, max = 32))]
    #[x_kube(merge_strategy = ListMerge::Set)]
    pub regions: Vec<Region>,
}
