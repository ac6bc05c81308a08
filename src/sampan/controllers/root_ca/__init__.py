"""`kube-root-ca.crt`: the certificate that Pods check the API server with, in every namespace."""
