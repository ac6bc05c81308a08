"""The runtime's errors, as one tree. What a caller may do differently is a type, what a reader needs is the message.

    RuntimeFault
    ├── NotFound                 no such sandbox, container, image
    ├── AlreadyExists
    ├── InvalidArgument          the configuration itself is wrong
    ├── NotRunning               exec, attach, port-forward into something that does not run
    ├── CreateError              the container could not be made     (Kubernetes: CreateContainerError)
    ├── StartError               made, but its process could not run (Kubernetes: RunContainerError)
    ├── ExecTimeout              exec_sync took longer than it may
    ├── Unavailable              the host lacks something; nothing can run until that is mended
    └── ImageFault
        ├── InvalidImageName     (Kubernetes: InvalidImageName)
        ├── ImagePullError       (Kubernetes: ErrImagePull)
        │   └── RegistryUnavailable
        └── ImageInUse
"""

from __future__ import annotations


class RuntimeFault(Exception):
    """Anything the runtime refuses or fails to do."""


class NotFound(RuntimeFault):
    pass


class AlreadyExists(RuntimeFault):
    pass


class InvalidArgument(RuntimeFault):
    pass


class NotRunning(RuntimeFault):
    pass


class CreateError(RuntimeFault):
    pass


class StartError(RuntimeFault):
    pass


class ExecTimeout(RuntimeFault):
    pass


class Unavailable(RuntimeFault):
    pass


class ImageFault(RuntimeFault):
    pass


class InvalidImageName(ImageFault):
    pass


class ImagePullError(ImageFault):
    pass


class RegistryUnavailable(ImagePullError):
    pass


class ImageInUse(ImageFault):
    pass
