"""The parts of GitHub's JSON that are long and always alike: users, repositories, reactions."""

from __future__ import annotations

from typing import Any

Row = dict[str, Any]

_USER_LINKS = {
    "followers_url": "/followers",
    "following_url": "/following{/other_user}",
    "gists_url": "/gists{/gist_id}",
    "starred_url": "/starred{/owner}{/repo}",
    "subscriptions_url": "/subscriptions",
    "organizations_url": "/orgs",
    "repos_url": "/repos",
    "events_url": "/events{/privacy}",
    "received_events_url": "/received_events",
}
_REPOSITORY_LINKS = {
    "url": "",
    "forks_url": "/forks",
    "keys_url": "/keys{/key_id}",
    "collaborators_url": "/collaborators{/collaborator}",
    "teams_url": "/teams",
    "hooks_url": "/hooks",
    "issue_events_url": "/issues/events{/number}",
    "events_url": "/events",
    "assignees_url": "/assignees{/user}",
    "branches_url": "/branches{/branch}",
    "tags_url": "/tags",
    "statuses_url": "/statuses/{sha}",
    "languages_url": "/languages",
    "contributors_url": "/contributors",
    "subscribers_url": "/subscribers",
    "commits_url": "/commits{/sha}",
    "comments_url": "/comments{/number}",
    "issue_comment_url": "/issues/comments{/number}",
    "contents_url": "/contents/{+path}",
    "compare_url": "/compare/{base}...{head}",
    "downloads_url": "/downloads",
    "issues_url": "/issues{/number}",
    "pulls_url": "/pulls{/number}",
    "milestones_url": "/milestones{/number}",
    "notifications_url": "/notifications{?since,all,participating}",
    "labels_url": "/labels{/name}",
    "releases_url": "/releases{/id}",
    "deployments_url": "/deployments",
    "archive_url": "/{archive_format}{/ref}",
    "blobs_url": "/git/blobs{/sha}",
    "git_commits_url": "/git/commits{/sha}",
    "git_refs_url": "/git/refs{/sha}",
    "git_tags_url": "/git/tags{/sha}",
    "trees_url": "/git/trees{/sha}",
    "merges_url": "/merges",
    "stargazers_url": "/stargazers",
    "subscription_url": "/subscription",
}


def user(base: str, login: str, number: int) -> Row:
    """A user as REST and webhooks show it."""
    url = f"{base}/users/{login}"
    return {
        "login": login,
        "id": number,
        "node_id": f"MDQ6VXNlcj{number}",
        "avatar_url": f"https://avatars.githubusercontent.com/u/{number}?v=4",
        "gravatar_id": "",
        "url": url,
        "html_url": f"{base}/{login}",
        **{name: url + tail for name, tail in _USER_LINKS.items()},
        "type": "Bot" if login.endswith("[bot]") else "User",
        "site_admin": False,
    }


def repository(
    base: str, full_name: str, number: int, owner: Row, created_at: str, open_issues: int
) -> Row:
    """A private repository of an organisation."""
    url = f"{base}/repos/{full_name}"
    return {
        "id": number,
        "node_id": f"R_kgDO{number}",
        "name": full_name.partition("/")[2],
        "full_name": full_name,
        "private": True,
        "owner": owner,
        "html_url": f"{base}/{full_name}",
        "description": None,
        "fork": False,
        **{key: url + tail for key, tail in _REPOSITORY_LINKS.items()},
        "created_at": created_at,
        "updated_at": created_at,
        "pushed_at": created_at,
        "git_url": f"git://github.test/{full_name}.git",
        "ssh_url": f"git@github.test:{full_name}.git",
        "clone_url": f"{base}/{full_name}.git",
        "svn_url": f"{base}/{full_name}",
        "mirror_url": None,
        "homepage": None,
        "size": 0,
        "stargazers_count": 0,
        "watchers_count": 0,
        "language": None,
        "has_issues": True,
        "has_projects": True,
        "has_wiki": True,
        "has_pages": False,
        "has_downloads": True,
        "is_template": False,
        "web_commit_signoff_required": False,
        "topics": [],
        "custom_properties": {},
        "forks": 0,
        "forks_count": 0,
        "watchers": 0,
        "disabled": False,
        "open_issues_count": open_issues,
        "license": None,
        "visibility": "private",
        "open_issues": open_issues,
        "default_branch": "main",
    }


def reactions(url: str) -> Row:
    """No reactions yet."""
    kinds = ("+1", "-1", "laugh", "hooray", "confused", "heart", "rocket", "eyes")
    return {"url": f"{url}/reactions", "total_count": 0, **dict.fromkeys(kinds, 0)}
