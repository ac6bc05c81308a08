"""PersistentVolumes for claims: what fits is bound, and the local class makes directories on a node.

The directory of a local volume is made by the kubelet when the first Pod uses it (its hostPath type is
DirectoryOrCreate), on the node that the scheduler chose and the volume is tied to. It is removed here, when its claim
is gone and the policy is Delete: the nodes of one machine share `volumes_dir` with this process. On another machine the
data stays until that node is taken out.
"""
