"""What Nodes and Pods use (`metrics.k8s.io`), asked of the kubelets when somebody wants to know: nobody asking costs
nothing."""
