//! The leader's look through all uploads.

use std::sync::Arc;
use std::time::Duration;

use runtime::Chain;
use signal::{DepotError, UploadId, Uploads};
use storage::{imported, layout};
use tenancy::TenantId;
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use super::Yard;
use super::folder::{Folder, Progress};
use crate::leader::Office;

impl Yard {
    /// Looks through all uploads now and then, while this process has the office of the leader.
    pub async fn rounds(self: Arc<Self>, office: Arc<Office>, stop: CancellationToken) {
        let pause = self.config.plan_period.get().max(Duration::from_millis(10));
        while stop.run_until_cancelled(tokio::time::sleep(pause)).await.is_some() {
            if office.is_held()
                && let Some(Err(err)) = stop.run_until_cancelled(self.round()).await
            {
                warn!(error = %Chain(&err), "uploads could not be looked after");
            }
        }
    }

    /// Looks through all uploads once.
    pub(super) async fn round(self: &Arc<Self>) -> Result<(), DepotError> {
        let bucket = &self.context.bucket;
        for name in bucket.folders(layout::UPLOADS).await? {
            let Ok(tenant) = TenantId::parse(&name) else { continue };
            for (&signal, uploads) in &self.context.signals {
                for name in bucket.folders(&format!("{}{tenant}/{signal}/", layout::UPLOADS)).await? {
                    let Ok(id) = name.parse() else { continue };
                    let upload = UploadId { tenant: tenant.clone(), signal, id };
                    // One that is damaged keeps nobody from looking after the others.
                    if let Err(err) = self.look_after(&upload, &**uploads).await {
                        warn!(%upload, error = %Chain(&err), "an upload could not be looked after");
                    }
                }
            }
        }
        Ok(())
    }

    async fn look_after(self: &Arc<Self>, upload: &UploadId, uploads: &dyn Uploads) -> Result<(), DepotError> {
        if self.running.lock().contains(upload) {
            return Ok(());
        }
        let folder = self.folder(upload);
        if imported::read(&*self.context.bucket, &upload.tenant, upload.id).await?.is_some() || folder.about().await?.is_none() {
            // Whoever was removing it has not come to the end.
            return if self.is_old(&folder, self.config.upload_takeover.get()).await? { folder.remove().await } else { Ok(()) };
        }
        match folder.progress().await? {
            Some(Progress::Converting { by, beat_ms }) => {
                let silent_ms = self.context.clock.now_ms().saturating_sub(beat_ms);
                // What is said in our own name is of an earlier life: else it would be running.
                if (by == self.context.name || silent_ms > self.config.upload_takeover.as_ms())
                    && let Some(slot) = self.slot(upload)
                {
                    info!(%upload, by, "an upload is gone on with");
                    folder.set(&self.mine()).await?;
                    slot.work();
                }
                Ok(())
            }
            None | Some(Progress::Failed { .. }) => match uploads.kept_for(&upload.tenant) {
                Some(keep) if self.is_old(&folder, keep).await? => {
                    info!(%upload, "an upload that nobody goes on with is removed");
                    folder.remove().await
                }
                _ => Ok(()),
            },
        }
    }

    /// True when nothing of an upload was written for so long.
    async fn is_old(&self, folder: &Folder, age: Duration) -> Result<bool, DepotError> {
        let age_ms = i64::try_from(age.as_millis()).unwrap_or(i64::MAX);
        let modified = folder.modified_ms().await?;
        Ok(modified.is_some_and(|modified| self.context.clock.now_ms().saturating_sub(modified) > age_ms))
    }
}
