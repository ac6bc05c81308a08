"""`kustomize DIR` and `-k DIR`: a folder's manifests with its kustomization applied, bases first.

    resource     an object on its way, with the names that it had
    load         the kustomization file and what it lists
    generate     ConfigMaps and Secrets
    transform    namespace, names, labels, annotations, images, replicas
    patches      strategic and JSON patches
    references   what others say by name, after names have changed
    build        the order of it all

Local folders only: nothing is fetched. Plugins, Helm charts, replacements and vars are refused, not ignored.
"""
