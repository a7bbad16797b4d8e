"""Every model in one import, so that metadata is complete for migrations, checks and documentation."""

from __future__ import annotations

from deskhand.access.models import ApiKey, IdentityProvider, Membership, PlatformKey, SignInAttempt, User, UserIdentity
from deskhand.agents.models import Agent, AgentTool, AgentTrigger, AgentVersion
from deskhand.approvals.models import Approval
from deskhand.audit.models import AuditLog
from deskhand.budgets.models import Budget, BudgetUse, ModelSpending
from deskhand.connectors.models import ToolSource
from deskhand.engine.models import AgentExecution, CostCorrection, ExecutionStep, Worker
from deskhand.gateways.models import ModelConnection, SharedModelConnection
from deskhand.intake.models import WebhookDelivery
from deskhand.kit.db.base import Base, TenantModel
from deskhand.kit.db.proofs import ProofKey
from deskhand.knowledge.models import EnhancementFeedback, KnowledgeArticle, NoteGrounds, SystemInventory, TicketHistory
from deskhand.knowledge.upkeep.models import HistoryRefresh, KnowledgeJob
from deskhand.lab.models import LabCase, LabRun, TestCase
from deskhand.notifications.models import Notification, NotificationChoice, NotificationFact
from deskhand.pauses.models import InstallationPause, Pause
from deskhand.schedules.models import ScheduleFire
from deskhand.storms.models import StormReport, TicketStorm
from deskhand.tenants.models import DeskCompany, EnhancementHistory, TenantConfig
from deskhand.work.machines.models import AlertCondition

__all__ = [
    "Agent",
    "AgentExecution",
    "AgentTool",
    "AgentTrigger",
    "AgentVersion",
    "AlertCondition",
    "ApiKey",
    "Approval",
    "AuditLog",
    "Base",
    "Budget",
    "BudgetUse",
    "CostCorrection",
    "DeskCompany",
    "EnhancementFeedback",
    "EnhancementHistory",
    "ExecutionStep",
    "HistoryRefresh",
    "IdentityProvider",
    "InstallationPause",
    "KnowledgeArticle",
    "KnowledgeJob",
    "LabCase",
    "LabRun",
    "Membership",
    "ModelConnection",
    "ModelSpending",
    "NoteGrounds",
    "Notification",
    "NotificationChoice",
    "NotificationFact",
    "Pause",
    "PlatformKey",
    "ProofKey",
    "ScheduleFire",
    "SharedModelConnection",
    "SignInAttempt",
    "StormReport",
    "SystemInventory",
    "TenantConfig",
    "TenantModel",
    "TestCase",
    "TicketHistory",
    "TicketStorm",
    "ToolSource",
    "User",
    "UserIdentity",
    "WebhookDelivery",
    "Worker",
]
