"""What an image holds, and the documents that say so: SBOM, licences, forbidden files."""
