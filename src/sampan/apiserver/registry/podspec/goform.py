"""Specs the way Kubernetes' messages show them: its internal structs as JSON, and the difference of two of them.

Only error texts need this, so nothing here is quick. A row reads `GoName` (the wire name with a capital), or
`GoName=wire`, and after the colon what an absent value is: s "", b false, i 0, p null; with a type's name in angle
brackets the value is that struct, in square brackets a list of it.
"""

from __future__ import annotations

import difflib
import json
import re
from functools import cache
from typing import TYPE_CHECKING, Any

import msgspec
from msgspec import Struct

from sampan.apiserver.registry.field import Ordered

if TYPE_CHECKING:
    from sampan.api.types.core_v1 import PodSpec, PodTemplateSpec, SecurityContext


_FIELDS = {
    "PodSpec": """Volumes:p[Volume] InitContainers:p[Container] Containers:p[Container]
        EphemeralContainers:p[EphemeralContainer] RestartPolicy:s TerminationGracePeriodSeconds:p
        ActiveDeadlineSeconds:p DNSPolicy=dnsPolicy:s NodeSelector:p ServiceAccountName:s
        AutomountServiceAccountToken:p NodeName:s SecurityContext=:p ImagePullSecrets:p[Local] Hostname:s Subdomain:s
        SetHostnameAsFQDN:p Affinity:p<Affinity> SchedulerName:s Tolerations:p[Toleration] HostAliases:p[HostAlias]
        PriorityClassName:s Priority:p PreemptionPolicy:p DNSConfig=dnsConfig:p<DNSConfig>
        ReadinessGates:p[ReadinessGate] RuntimeClassName:p Overhead:p EnableServiceLinks:p
        TopologySpreadConstraints:p[Spread] OS=os:p<OS> SchedulingGates:p[Gate] ResourceClaims:p[Claim]
        Resources:p<Resources> HostnameOverride:p SchedulingGroup:p<SchedulingGroup>""",
    "Volume": """Name:s HostPath:p<HostPath> EmptyDir:p<EmptyDir> GCEPersistentDisk=gcePersistentDisk:p
        AWSElasticBlockStore=awsElasticBlockStore:p GitRepo:p Secret:p<Secret> NFS=nfs:p<NFS> ISCSI=iscsi:p Glusterfs:p
        PersistentVolumeClaim:p<ClaimSource> RBD=rbd:p Quobyte:p FlexVolume:p Cinder:p CephFS=cephfs:p Flocker:p
        DownwardAPI:p<DownwardAPI> FC=fc:p AzureFile:p ConfigMap:p<ConfigMap> VsphereVolume:p AzureDisk:p
        PhotonPersistentDisk:p Projected:p<Projected> PortworxVolume:p ScaleIO:p StorageOS=storageos:p CSI=csi:p<CSI>
        Ephemeral:p Image:p<Image>""",
    "HostPath": "Path:s Type:p",
    "EmptyDir": "Medium:s SizeLimit:p",
    "Secret": "SecretName:s Items:p[Item] DefaultMode:p Optional:p",
    "NFS": "Server:s Path:s ReadOnly:b",
    "ClaimSource": "ClaimName:s ReadOnly:b",
    "ConfigMap": "Name:s Items:p[Item] DefaultMode:p Optional:p",
    "DownwardAPI": "Items:p[DownwardFile] DefaultMode:p",
    "CSI": "Driver:s ReadOnly:p FSType=fsType:p VolumeAttributes:p NodePublishSecretRef:p<Local>",
    "Image": "Reference:s PullPolicy:s",
    "Item": "Key:s Path:s Mode:p",
    "DownwardFile": "Path:s FieldRef:p<FieldRef> ResourceFieldRef:p<ResourceRef> Mode:p",
    "FieldRef": "APIVersion=apiVersion:s FieldPath:s",
    "ResourceRef": "ContainerName:s Resource:s Divisor:s",
    "Projected": "Sources:p[Projection] DefaultMode:p",
    "Projection": """Secret:p<KeyedProjection> DownwardAPI:p<DownwardProjection> ConfigMap:p<KeyedProjection>
        ServiceAccountToken:p<Token> ClusterTrustBundle:p<TrustBundle> PodCertificate:p<Certificate>""",
    "KeyedProjection": "Name:s Items:p[Item] Optional:p",
    "DownwardProjection": "Items:p[DownwardFile]",
    "Token": "Audience:s ExpirationSeconds:i Path:s",
    "TrustBundle": "Name:p SignerName:p LabelSelector:p Optional:p Path:s",
    "Certificate": """SignerName:s KeyType:s MaxExpirationSeconds:p CredentialBundlePath:s KeyPath:s
        CertificateChainPath:s UserAnnotations:p""",
    "Container": """Name:s Image:s Command:p Args:p WorkingDir:s Ports:p[Port] EnvFrom:p[EnvFrom] Env:p[Env]
        Resources:v<Resources> ResizePolicy:p[ResizePolicy] RestartPolicy:p RestartPolicyRules:p[RestartRule]
        VolumeMounts:p[Mount] VolumeDevices:p[Device] LivenessProbe:p<Probe> ReadinessProbe:p<Probe>
        StartupProbe:p<Probe> Lifecycle:p<Lifecycle> TerminationMessagePath:s TerminationMessagePolicy:s
        ImagePullPolicy:s SecurityContext:p<SecurityContext> Stdin:b StdinOnce:b TTY=tty:b""",
    "Port": "Name:s HostPort:i ContainerPort:i Protocol:s HostIP:s",
    "EnvFrom": "Prefix:s ConfigMapRef:p<Ref> SecretRef:p<Ref>",
    "Ref": "Name:s Optional:p",
    "Env": "Name:s Value:s ValueFrom:p<EnvSource>",
    "EnvSource": """FieldRef:p<FieldRef> ResourceFieldRef:p<ResourceRef> ConfigMapKeyRef:p<KeyRef>
        SecretKeyRef:p<KeyRef> FileKeyRef:p<FileRef>""",
    "KeyRef": "Name:s Key:s Optional:p",
    "FileRef": "VolumeName:s Path:s Key:s Optional:p",
    "Resources": "Limits:p Requests:p Claims:p[ResourceClaim]",
    "ResourceClaim": "Name:s Request:s",
    "ResizePolicy": "ResourceName:s RestartPolicy:s",
    "RestartRule": "Action:s ExitCodes:p<ExitCodes>",
    "ExitCodes": "Operator:s Values:p",
    "Mount": """Name:s ReadOnly:b RecursiveReadOnly:p MountPath:s SubPath:s MountPropagation:p SubPathExpr:s""",
    "Device": "Name:s DevicePath:s",
    "Probe": """Exec:p<Exec> HTTPGet=httpGet:p<HTTPGet> TCPSocket=tcpSocket:p<TCP> GRPC=grpc:p<GRPC>
        InitialDelaySeconds:i TimeoutSeconds:i PeriodSeconds:i SuccessThreshold:i FailureThreshold:i
        TerminationGracePeriodSeconds:p""",
    "Exec": "Command:p",
    "HTTPGet": "Path:s Port:i Host:s Scheme:s HTTPHeaders=httpHeaders:p[Header]",
    "Header": "Name:s Value:s",
    "TCP": "Port:i Host:s",
    "GRPC": "Port:i Service:p",
    "Lifecycle": "PostStart:p<Handler> PreStop:p<Handler> StopSignal:p",
    "Handler": "Exec:p<Exec> HTTPGet=httpGet:p<HTTPGet> TCPSocket=tcpSocket:p<TCP> Sleep:p<Sleep>",
    "Sleep": "Seconds:i",
    "SecurityContext": """Capabilities:p<Capabilities> Privileged:p SELinuxOptions=seLinuxOptions:p<SELinux>
        WindowsOptions:p<Windows> RunAsUser:p RunAsGroup:p RunAsNonRoot:p ReadOnlyRootFilesystem:p
        AllowPrivilegeEscalation:p ProcMount:p SeccompProfile:p<Profile> AppArmorProfile:p<Profile>""",
    "Capabilities": "Add:p Drop:p",
    "SELinux": "User:s Role:s Type:s Level:s",
    "Windows": """GMSACredentialSpecName=gmsaCredentialSpecName:p GMSACredentialSpec=gmsaCredentialSpec:p
        RunAsUserName:p HostProcess:p""",
    "Profile": "Type:s LocalhostProfile:p",
    "PodSecurityContext": """SELinuxOptions=seLinuxOptions:p<SELinux> WindowsOptions:p<Windows> RunAsUser:p RunAsGroup:p
        RunAsNonRoot:p SupplementalGroups:p SupplementalGroupsPolicy:p FSGroup=fsGroup:p
        FSGroupChangePolicy=fsGroupChangePolicy:p Sysctls:p[Header] SeccompProfile:p<Profile>
        AppArmorProfile:p<Profile> SELinuxChangePolicy=seLinuxChangePolicy:p""",
    "Local": "Name:s",
    "Affinity": "NodeAffinity:p<NodeAffinity> PodAffinity:p<PodAffinity> PodAntiAffinity:p<PodAffinity>",
    "NodeAffinity": """RequiredDuringSchedulingIgnoredDuringExecution:p<NodeSelector>
        PreferredDuringSchedulingIgnoredDuringExecution:p[Preferred]""",
    "NodeSelector": "NodeSelectorTerms:p[Term]",
    "Term": "MatchExpressions:p[Requirement] MatchFields:p[Requirement]",
    "Requirement": "Key:s Operator:s Values:p",
    "Preferred": "Weight:i Preference:v<Term>",
    "PodAffinity": """RequiredDuringSchedulingIgnoredDuringExecution:p[PodTerm]
        PreferredDuringSchedulingIgnoredDuringExecution:p[WeightedPodTerm]""",
    "PodTerm": "LabelSelector:p Namespaces:p TopologyKey:s NamespaceSelector:p MatchLabelKeys:p MismatchLabelKeys:p",
    "WeightedPodTerm": "Weight:i PodAffinityTerm:v<PodTerm>",
    "Toleration": "Key:s Operator:s Value:s Effect:s TolerationSeconds:p",
    "HostAlias": "IP=ip:s Hostnames:p",
    "DNSConfig": "Nameservers:p Searches:p Options:p[DNSOption]",
    "DNSOption": "Name:s Value:p",
    "ReadinessGate": "ConditionType:s",
    "Spread": """MaxSkew:i TopologyKey:s WhenUnsatisfiable:s LabelSelector:p MinDomains:p NodeAffinityPolicy:p
        NodeTaintsPolicy:p MatchLabelKeys:p""",
    "OS": "Name:s",
    "Gate": "Name:s",
    "Claim": "Name:s ResourceClaimName:p ResourceClaimTemplateName:p",
    "SchedulingGroup": "PodGroupName:p",
    "ClaimSpec": """AccessModes:p Selector:p Resources:v<ClaimResources> VolumeName:s StorageClassName:p VolumeMode:p
        DataSource:p<TypedRef> DataSourceRef:p<TypedObjectRef> VolumeAttributesClassName:p""",
    "ClaimResources": "Limits:p Requests:p",
    "TypedRef": "APIGroup=apiGroup:p Kind:s Name:s",
    "TypedObjectRef": "APIGroup=apiGroup:p Kind:s Name:s Namespace:p",
    "VolumeSource": """GCEPersistentDisk=gcePersistentDisk:p AWSElasticBlockStore=awsElasticBlockStore:p
        HostPath:p<HostPath> Glusterfs:p NFS=nfs:p<NFS> RBD=rbd:p Quobyte:p ISCSI=iscsi:p FlexVolume:p Cinder:p
        CephFS=cephfs:p FC=fc:p Flocker:p AzureFile:p VsphereVolume:p AzureDisk:p PhotonPersistentDisk:p
        PortworxVolume:p ScaleIO:p Local=local:p<LocalVolume> StorageOS=storageos:p CSI=csi:p<CSIVolume>""",
    "LocalVolume": "Path:s FSType=fsType:p",
    "CSIVolume": """Driver:s VolumeHandle:s ReadOnly:b FSType=fsType:s VolumeAttributes:p
        ControllerPublishSecretRef:p<SecretRef> NodeStageSecretRef:p<SecretRef> NodePublishSecretRef:p<SecretRef>
        ControllerExpandSecretRef:p<SecretRef> NodeExpandSecretRef:p<SecretRef>""",
    "SecretRef": "Name:s Namespace:s",
    "VolumeAffinity": "Required:p<NodeSelector>",
    "Attachment": "Attacher:s Source:v<AttachmentSource> NodeName:s",
    "AttachmentSource": "PersistentVolumeName:p InlineVolumeSpec:p",
    "RoleRef": "APIGroup=apiGroup:s Kind:s Name:s",
    "SuccessPolicy": "Rules:p[SuccessRule]",
    "SuccessRule": "SucceededIndexes:p SucceededCount:p",
    "FailurePolicy": "Rules:p[FailureRule]",
    "FailureRule": "Action:s OnExitCodes:p<JobExitCodes> OnPodConditions:p[ConditionPattern]",
    "JobExitCodes": "ContainerName:p Operator:s Values:p",
    "ConditionPattern": "Type:s Status:s",
    "Uncounted": "Succeeded:p Failed:p",
    "UpdateStrategy": "Type:s RollingUpdate:p<RollingUpdate>",
    "RollingUpdate": "Partition:i MaxUnavailable:p",
    "Method": "Type:s",
    "Parent": "Group:s Resource:s Namespace:s Name:s",
    "DisruptionBudget": "MinAvailable:p Selector:p MaxUnavailable:p UnhealthyPodEvictionPolicy:p",
}
_FIELDS["EphemeralContainer"] = _FIELDS["Container"] + " TargetContainerName:s"
_ZERO: dict[str, Any] = {"s": "", "b": False, "i": 0, "p": None, "v": None}
_row = re.compile(r"(\w+)(?:=(\w*))?:(\w)(?:([<\[])(\w+)[>\]])?").fullmatch


@cache
def _rows(name: str) -> list[tuple[str, str, str, str, str]]:
    rows = []
    for text in _FIELDS[name].split():
        found = _row(text)
        assert found is not None, text
        go, wire, zero, bracket, type_name = found.groups()
        rows.append((go, go[0].lower() + go[1:] if wire is None else wire, zero, bracket or "", type_name or ""))
    return rows


def form(value: Any, name: str) -> Ordered:
    """A typed object as its internal struct."""
    out = Ordered()
    for go, wire, zero, bracket, type_name in _rows(name):
        found = getattr(value, wire, None) if wire else None
        if name == "PodSpec" and go == "SecurityContext":
            out[go] = _pod_security(value)
        elif found is None:
            out[go] = _ZERO[zero]
        elif bracket == "<":
            out[go] = form(found, type_name)
        elif bracket == "[":
            out[go] = [form(item, type_name) for item in found]
        else:
            out[go] = _plain(found)
    return out


def _plain(value: Any) -> Any:
    if isinstance(value, Struct):
        return Ordered({f[0].upper() + f[1:]: _plain(getattr(value, f)) for f in value.__struct_fields__})
    if isinstance(value, list):
        return [_plain(v) for v in value]
    if isinstance(value, dict) and not isinstance(value, Ordered):
        return Ordered({k: _plain(value[k]) for k in sorted(value)})
    return value


def _pod_security(spec: PodSpec) -> Ordered | None:
    """Internally the host's namespaces belong to the security context."""
    context = spec.securityContext
    if context is None and not (spec.hostNetwork or spec.hostPID or spec.hostIPC):
        return None
    out = Ordered(
        HostNetwork=bool(spec.hostNetwork),
        HostPID=bool(spec.hostPID),
        HostIPC=bool(spec.hostIPC),
        ShareProcessNamespace=spec.shareProcessNamespace,
        HostUsers=spec.hostUsers,
    )
    out.update(form(context, "PodSecurityContext"))
    return out


def security_context(context: SecurityContext) -> Ordered:
    return form(context, "SecurityContext")


def template(value: PodTemplateSpec) -> Ordered:
    """A Pod template, of which Go embeds the metadata."""
    return Ordered({**msgspec.to_builtins(value.metadata, order="deterministic"), "Spec": form(value.spec, "PodSpec")})


def _lines(value: Ordered) -> list[str]:
    text = json.dumps(value, indent=1, ensure_ascii=False)
    text = text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")
    return text.split("\n")


def difference(old: Any, new: Any, name: str) -> str:
    """A unified diff of two structs, without a heading."""
    lines = list(difflib.unified_diff(_lines(form(old, name)), _lines(form(new, name)), lineterm="", n=3))
    return "".join(f"{line}\n" for line in lines[2:])
