"""Door to the campaigns under the names that `writer` has for them."""

from __future__ import annotations

from training.simulate.campaigns.campaign import Campaign
from training.simulate.campaigns.counterparts import benign_counterparts
from training.simulate.campaigns.planning import act, campaigns_in, plan_campaigns, window
from training.simulate.campaigns.suppliers import suppliers

__all__ = ["Campaign", "act", "benign_counterparts", "campaigns_in", "plan_campaigns", "suppliers", "window"]
