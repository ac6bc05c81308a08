"""What each ResourceQuota limits is counted, and counted again when something goes."""
