//! Where the services of AWS are: its partitions, the regions of each, and the addresses there. No network, no DNS.
//!
//! FIPS and dual-stack addresses are not built: they are one more suffix a partition, and one more word before the region.
//! Source: botocore's `partitions.json`.

/// A part of AWS with regions, accounts and names of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Partition {
    /// As it stands in ARNs.
    pub id: &'static str,
    /// What its regions begin with; empty for the one that has all others.
    prefix: &'static str,
    /// What the names of its services end with.
    pub suffix: &'static str,
}

/// The one with all regions that are nobody else's comes last; no prefix is the beginning of another.
const PARTITIONS: [Partition; 8] = [
    Partition { id: "aws-cn", prefix: "cn-", suffix: "amazonaws.com.cn" },
    Partition { id: "aws-us-gov", prefix: "us-gov-", suffix: "amazonaws.com" },
    Partition { id: "aws-iso", prefix: "us-iso-", suffix: "c2s.ic.gov" },
    Partition { id: "aws-iso-b", prefix: "us-isob-", suffix: "sc2s.sgov.gov" },
    Partition { id: "aws-iso-e", prefix: "eu-isoe-", suffix: "cloud.adc-e.uk" },
    Partition { id: "aws-iso-f", prefix: "us-isof-", suffix: "csp.hci.ic.gov" },
    Partition { id: "aws-eusc", prefix: "eusc-", suffix: "amazonaws.eu" },
    Partition { id: "aws", prefix: "", suffix: "amazonaws.com" },
];

/// The partition of a region; `aws` for one that nobody knows, as AWS's own tools have it.
pub fn of_region(region: &str) -> &'static Partition {
    PARTITIONS.iter().find(|partition| region.starts_with(partition.prefix)).expect("the last one begins every region")
}

/// `https://{service}.{region}.{suffix}/`.
pub fn url_of(service: &str, region: &str) -> String {
    format!("https://{service}.{region}.{}/", of_region(region).suffix)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_partition_has_its_regions_and_its_suffix() {
        for (region, id, host) in [
            ("eu-central-1", "aws", "eu-central-1.amazonaws.com"),
            ("mx-central-1", "aws", "mx-central-1.amazonaws.com"),
            ("us-west-2", "aws", "us-west-2.amazonaws.com"),
            ("us-gov-west-1", "aws-us-gov", "us-gov-west-1.amazonaws.com"),
            ("cn-north-1", "aws-cn", "cn-north-1.amazonaws.com.cn"),
            ("cn-northwest-1", "aws-cn", "cn-northwest-1.amazonaws.com.cn"),
            ("eusc-de-east-1", "aws-eusc", "eusc-de-east-1.amazonaws.eu"),
            ("us-iso-east-1", "aws-iso", "us-iso-east-1.c2s.ic.gov"),
            ("us-isob-east-1", "aws-iso-b", "us-isob-east-1.sc2s.sgov.gov"),
            ("eu-isoe-west-1", "aws-iso-e", "eu-isoe-west-1.cloud.adc-e.uk"),
            ("us-isof-south-1", "aws-iso-f", "us-isof-south-1.csp.hci.ic.gov"),
            ("xx-new-1", "aws", "xx-new-1.amazonaws.com"),
        ] {
            assert_eq!(of_region(region).id, id, "{region}");
            assert_eq!(url_of("sts", region), format!("https://sts.{host}/"));
        }
    }

    #[test]
    fn no_region_could_belong_to_two_partitions() {
        let named = &PARTITIONS[..PARTITIONS.len() - 1];
        for (one, other) in named.iter().flat_map(|one| named.iter().map(move |other| (one, other))) {
            assert!(one == other || !one.prefix.starts_with(other.prefix), "{} and {}", one.id, other.id);
        }
        assert_eq!(PARTITIONS.last().unwrap().prefix, "");
    }
}
