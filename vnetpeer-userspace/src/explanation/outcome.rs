//! Words of answers that are neither errors nor causes.

use super::{Kind, codes};

codes! { Kind::Outcome,
/// How something ends. Names are stable.
Outcome:
    Delivered
        "the packet arrives"
        "routes, peerings and rules let it pass"
        "nothing"
    SubnetRemoved
        "one of the subnets is removed"
        "the new document does not have it any more"
        "keep the subnet if it is still needed"
    LongerPrefixMatched
        "a route with a longer prefix covers the destination too"
        "the longest prefix wins, whatever the routes' sources are"
        "nothing; to prefer this one, give it a longer prefix"
    UserRoutePreferred
        "a user-defined route has the same prefix"
        "user-defined routes win over a gateway's, and those over system routes"
        "remove the user-defined route to take this one"
    GatewayRoutePreferred
        "a route that the gateway learned has the same prefix"
        "a gateway's routes win over system routes with the same prefix"
        "add a user-defined route to prefer another way"
    SystemRoutePreferred
        "a system route has the same prefix"
        "routes of a virtual network and its peerings win over a gateway's that are not longer"
        "add a user-defined route to prefer another way"
}
